-- Runs once, when the volume is empty. A database for each service, whose owner is the one user that may enter it.
\getenv identity_password IDENTITY_DATABASE_PASSWORD
\getenv order_password ORDER_DATABASE_PASSWORD
\getenv payment_password PAYMENT_DATABASE_PASSWORD

create role identity login password :'identity_password';
create role orders login password :'order_password';
create role payments login password :'payment_password';

create database identity owner identity;
create database orders owner orders;
create database payments owner payments;

-- By default everybody may connect to every database.
revoke all on database identity from public;
revoke all on database orders from public;
revoke all on database payments from public;
