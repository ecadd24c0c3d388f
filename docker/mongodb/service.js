// One service's place in a MongoDB server: the user whose migrations make its collections and
// indexes, and the user whose processes write documents there and nothing else. make_secrets.py
// fills in the names and passwords; MongoDB makes the database with its first collection.

const commands = [
  {
    "createRole": "${service}_rows",
    "privileges": [
      {
        "resource": {"db": "${service}", "collection": ""},
        "actions": ["find", "insert", "update", "remove", "listCollections", "listIndexes"]
      }
    ],
    "roles": []
  },
  {
    "createUser": "${service}_owner",
    "pwd": "${owner_password}",
    "roles": [{"role": "readWrite", "db": "${service}"}, {"role": "dbAdmin", "db": "${service}"}]
  },
  {
    "createUser": "${service}_service",
    "pwd": "${service_password}",
    "roles": [{"role": "${service}_rows", "db": "admin"}]
  }
];
commands.forEach((command) => db.getSiblingDB("admin").runCommand(command));
