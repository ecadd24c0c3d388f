"""Users as JSON: what people and staff may read and write."""

from typing import Any, cast

from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as PasswordRefused
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer, TokenRefreshSerializer

from user_project.tokens import PersonRefreshToken, PersonToken
from users.models import User, UserErased


class LowercaseEmailField(serializers.EmailField):
    """An address as the database will have it, so that its length is checked as it is stored."""

    def to_internal_value(self, data: Any) -> str:
        return str(super().to_internal_value(data)).lower()


class ProfileSerializer(serializers.ModelSerializer[User]):
    """A user as they and staff see them."""

    # Whether an address is taken is the database's word, which has no race: EmailTaken.
    email = LowercaseEmailField(max_length=254)

    class Meta:
        model = User
        fields = ["id", "email", "name", "phone", "is_staff", "version", "created_at"]
        read_only_fields = ["is_staff", "version", "created_at"]


class RegistrationSerializer(ProfileSerializer):
    """A new account."""

    password = serializers.CharField(
        write_only=True,
        max_length=128,
        trim_whitespace=False,
        style={"input_type": "password"},
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
    default_error_messages = {
        "no_active_account": "No account has this e-mail address and password: check both, or "
        "register."
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        cast(serializers.CharField, self.fields["password"]).trim_whitespace = False

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        try:
            pair: dict[str, Any] = super().validate(attrs)
        except UserErased as error:  # by somebody else, while the password was looked at
            raise AuthenticationFailed(self.error_messages["no_active_account"]) from error
        return pair | {"access": str(PersonToken.for_user(self.user))}


class RefreshSerializer(TokenRefreshSerializer):
    """A refresh token for a new access token, which says what holds by now."""

    token_class = PersonRefreshToken
    default_error_messages = {
        "no_active_account": "The account of this token is erased or locked: register anew.",
        "password_changed": "The password was changed since: log in with the new one.",
    }

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        refresh = self.token_class(attrs["refresh"])
        user = User.objects.filter(pk=refresh["sub"], is_active=True).first()
        if user is None:
            raise AuthenticationFailed(self.error_messages["no_active_account"])
        if not refresh.was_given_to(user):
            raise AuthenticationFailed(self.error_messages["password_changed"])
        return {"access": str(PersonToken.for_user(user))}


class TokenPairSerializer(serializers.Serializer[Any]):
    """What a login answers, for the schema."""

    access = serializers.CharField(help_text="for 15 minutes, as `Authorization: Bearer ...`")
    refresh = serializers.CharField(help_text="for 7 days, for new access tokens")


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
        error_messages={
            "invalid": "A prefix is an even number of lower-case hex digits, at most 30."
        },
    )
