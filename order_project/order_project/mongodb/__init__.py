"""What Django's own apps need on MongoDB, whose keys are ObjectIds: configurations and migrations.

https://django-mongodb-backend.readthedocs.io/en/latest/intro/configure.html
"""
