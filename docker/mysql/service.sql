-- One service's place in a MariaDB or MySQL server: a database, the user whose migrations make its
-- tables, and the user whose processes write rows there and nothing else. make_secrets.py fills in
-- the names and passwords; run again, it sets new passwords and leaves the data alone.

CREATE DATABASE IF NOT EXISTS `${service}` CHARACTER SET utf8mb4;
CREATE USER IF NOT EXISTS '${service}_owner'@'%' IDENTIFIED BY '${owner_password}';
CREATE USER IF NOT EXISTS '${service}_service'@'%' IDENTIFIED BY '${service_password}';
ALTER USER '${service}_owner'@'%' IDENTIFIED BY '${owner_password}';
ALTER USER '${service}_service'@'%' IDENTIFIED BY '${service_password}';

GRANT SELECT, INSERT, UPDATE, DELETE, CREATE, ALTER, DROP, INDEX, REFERENCES
  ON `${service}`.* TO '${service}_owner'@'%';
GRANT SELECT, INSERT, UPDATE, DELETE ON `${service}`.* TO '${service}_service'@'%';
