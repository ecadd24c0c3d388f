"""Users as JSON: what people and staff may read and write."""

from typing import Any

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as PasswordRefused
from rest_framework import serializers
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer

from user_project.tokens import PersonRefreshToken
from users.models import User


class ProfileSerializer(serializers.ModelSerializer[User]):
    """A user as they and staff see them."""

    class Meta:
        model = User
        fields = ["id", "email", "name", "phone", "is_staff", "version", "created_at"]
        read_only_fields = ["is_staff", "version", "created_at"]
        # Whether an address is taken is the database's word, which has no race: EmailTaken.
        extra_kwargs = {"email": {"required": True, "allow_null": False, "validators": []}}


class RegistrationSerializer(ProfileSerializer):
    """A new account."""

    password = serializers.CharField(
        write_only=True, max_length=128, style={"input_type": "password"}
    )

    class Meta(ProfileSerializer.Meta):
        fields = [*ProfileSerializer.Meta.fields, "password"]

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        person = User(email=attrs["email"], name=attrs["name"])
        try:
            validate_password(attrs["password"], person)
        except PasswordRefused as refusal:
            raise serializers.ValidationError({"password": refusal.messages}) from refusal
        return attrs


class LoginSerializer(TokenObtainPairSerializer):
    """E-mail and password for a pair of tokens."""

    token_class = PersonRefreshToken

    @classmethod
    def get_token(cls, user: Any) -> Any:
        token = super().get_token(user)
        token["is_staff"] = user.is_staff
        return token


class RefreshSerializer(TokenRefreshSerializer):
    """A refresh token for a new access token."""

    token_class = PersonRefreshToken


class PublicUserSerializer(serializers.Serializer[Any]):
    """contracts.users.User, for the schema."""

    id = serializers.UUIDField()
    version = serializers.IntegerField()
    email = serializers.CharField()
    name = serializers.CharField()
    deleted = serializers.BooleanField()


class UserPageSerializer(serializers.Serializer[Any]):
    """contracts.users.UserPage, for the schema."""

    users = PublicUserSerializer(many=True)
    next = serializers.UUIDField(allow_null=True)


class UserDigestSerializer(serializers.Serializer[Any]):
    """contracts.users.UserDigest, for the schema."""

    prefix = serializers.CharField()
    count = serializers.IntegerField()
    digest = serializers.CharField()


class UserDigestsSerializer(serializers.Serializer[Any]):
    """contracts.users.UserDigests, for the schema."""

    digests = UserDigestSerializer(many=True)


class SnapshotQuery(serializers.Serializer[Any]):
    """Which users a service asks for: some by id, or a page of all."""

    ids = serializers.CharField(
        required=False, help_text="up to 500 ids, separated by commas; unknown ones are left out"
    )
    after = serializers.UUIDField(required=False, help_text="the `next` of the page before")
    limit = serializers.IntegerField(required=False, default=500, min_value=1, max_value=5000)
    changed_since = serializers.DateTimeField(
        required=False, help_text="only users that changed at or after this time"
    )

    def validate_ids(self, value: str) -> list[Any]:
        ids = value.split(",")
        if len(ids) > 500:
            raise serializers.ValidationError(f"{len(ids)} ids: ask for at most 500 at a time.")
        field = serializers.UUIDField()
        return [field.run_validation(each) for each in ids]


class DigestQuery(serializers.Serializer[Any]):
    """The prefix whose 256 buckets a service asks for."""

    prefix = serializers.RegexField(
        r"^([0-9a-f]{2}){0,15}$",
        required=False,
        default="",
        allow_blank=True,
        error_messages={"invalid": "A prefix is an even number of lower-case hex digits."},
    )
