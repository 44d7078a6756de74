#!/bin/sh
# Places an order as a new customer with curl alone: every method is a POST of JSON to
# /<package>.<Service>/<Method>.
set -eu
url=${TERCET_URL:-http://127.0.0.1:8000}

uuid() { node -p 'crypto.randomUUID()'; }
call() { # call METHOD JSON [TOKEN]
  curl --silent --show-error --fail-with-body --max-time 30 "$url/$1" \
    --header 'content-type: application/json' ${3:+--header "authorization: Bearer $3"} --data "$2"
}
field() { sed -n "s/.*\"$1\":\"\([^\"]*\)\".*/\1/p"; }

email="curl-$(uuid)@example.com"
call identity.v1.IdentityService/Register \
  "{\"email\":\"$email\",\"password\":\"correct horse\",\"displayName\":\"Curl\",\"requestId\":\"$(uuid)\"}" >/dev/null
token=$(call identity.v1.IdentityService/Login "{\"email\":\"$email\",\"password\":\"correct horse\"}" |
  field accessToken)

# The id makes a repetition safe: a second call with it returns the order of the first.
order="{\"requestId\":\"$(uuid)\",\"items\":[{\"sku\":\"MUG-BLUE\",\"quantity\":1}],\"paymentMethod\":{\"token\":\"tok_visa\"}}"
placed=$(call order.v1.OrderService/CreateOrder "$order" "$token")
again=$(call order.v1.OrderService/CreateOrder "$order" "$token")

echo "order $(echo "$placed" | sed 's/{"id":"\([^"]*\)".*/\1/'): $(echo "$placed" | sed 's/.*"status":"ORDER_STATUS_\([A-Z_]*\)".*/\1/')"
echo "again $(echo "$again" | sed 's/{"id":"\([^"]*\)".*/\1/'): the same order"
