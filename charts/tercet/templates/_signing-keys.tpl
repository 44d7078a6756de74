{{/*
A new JSON Web Key Set with one private ES256 key. sprig makes keys in PEM only; but in its DER (RFC 5915) the numbers of a P-256 key stand
at fixed places: d from byte 7, x from 57, y from 89, 32 bytes each.
*/}}
{{- define "tercet.new-signing-keys" -}}
{{- $der := regexReplaceAll "-----[A-Z ]+-----|\\s" (genPrivateKey "ecdsa") "" | b64dec -}}
{{- if ne (len $der) 121 }}{{ fail "genPrivateKey made something else than a P-256 key" }}{{ end -}}
{{- $d := include "tercet.base64url" (substr 7 39 $der) -}}
{{- $x := include "tercet.base64url" (substr 57 89 $der) -}}
{{- $y := include "tercet.base64url" (substr 89 121 $der) -}}
{{- $key := dict "kty" "EC" "crv" "P-256" "kid" (sha256sum (print $x $y) | trunc 32) "x" $x "y" $y "d" $d -}}
{{- dict "keys" (list $key) | toJson -}}
{{- end }}

{{- define "tercet.base64url" -}}
{{- b64enc . | replace "+" "-" | replace "/" "_" | trimSuffix "=" -}}
{{- end }}
