-- One service's place in a PostgreSQL server: a database, the role whose migrations own its tables,
-- and the role whose processes write rows there and nothing else. make_secrets.py fills in the
-- names and passwords; run again, it sets new passwords and leaves the data alone.

SELECT format('CREATE ROLE %I', missing)
FROM unnest(ARRAY['${service}_owner', '${service}_service']) AS missing
WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = missing) \gexec
ALTER ROLE ${service}_owner LOGIN PASSWORD '${owner_password}';
ALTER ROLE ${service}_service LOGIN PASSWORD '${service_password}';

SELECT 'CREATE DATABASE "${service}" OWNER ${service}_owner'
WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '${service}') \gexec

-- PostgreSQL lets every role into every database, until told otherwise for each one.
REVOKE ALL ON DATABASE "${service}", postgres, template1 FROM PUBLIC;
GRANT CONNECT ON DATABASE "${service}" TO ${service}_service;

-- The server's own log tells which statement failed by its error, without what people wrote into it.
ALTER DATABASE "${service}" SET log_min_error_statement = panic;
ALTER DATABASE "${service}" SET log_error_verbosity = terse;

\connect "${service}"
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE, CREATE ON SCHEMA public TO ${service}_owner;
GRANT USAGE ON SCHEMA public TO ${service}_service;
ALTER DEFAULT PRIVILEGES FOR ROLE ${service}_owner IN SCHEMA public
  GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO ${service}_service;
ALTER DEFAULT PRIVILEGES FOR ROLE ${service}_owner IN SCHEMA public
  GRANT USAGE, SELECT ON SEQUENCES TO ${service}_service;
