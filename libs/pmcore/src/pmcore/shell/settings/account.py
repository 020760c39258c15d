"""What the executor and userws read about the account: API credentials, and the file for them.

They are given in the environment, or the executor derives them and writes them to a file for
userws. So userws never gets the private key.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from pydantic import AfterValidator, Field, SecretStr

from pmcore.model.errors import MalformedInputError
from pmcore.shell.files import write_file_atomically
from pmcore.shell.service.errors import StartupError
from pmcore.shell.settings.common import CommonSettings
from pmcore.shell.settings.problems import Problem, rule
from pmcore.venue.l2_auth import ApiCredentials, check_secret

Address = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]


def _check_secret(secret: SecretStr) -> SecretStr:
    try:
        check_secret(secret.get_secret_value())
    except MalformedInputError as error:
        raise ValueError(error.detail) from None
    return secret


class AccountSettings(CommonSettings):
    """Common settings plus the account's API credentials: all three of them, or none."""

    api_key: SecretStr | None = Field(None, validation_alias="POLYMARKET_API_KEY")
    api_secret: Annotated[SecretStr, AfterValidator(_check_secret)] | None = Field(
        None, validation_alias="POLYMARKET_API_SECRET"
    )
    api_passphrase: SecretStr | None = Field(None, validation_alias="POLYMARKET_API_PASSPHRASE")
    funder_address: Address | None = Field(None, validation_alias="POLYMARKET_FUNDER_ADDRESS")
    signature_type: int = Field(0, validation_alias="POLYMARKET_SIGNATURE_TYPE", ge=0, le=3)
    credentials_path: Path | None = Field(None, validation_alias="POLYMARKET_API_CREDENTIALS_FILE")

    @rule("api_key", "api_secret", "api_passphrase")
    def _credentials_come_together(self) -> Problem | None:
        parts = {
            "POLYMARKET_API_KEY": self.api_key,
            "POLYMARKET_API_SECRET": self.api_secret,
            "POLYMARKET_API_PASSPHRASE": self.api_passphrase,
        }
        missing = [name for name, value in parts.items() if value is None]
        if len(missing) in (0, len(parts)):
            return None
        return Problem(
            variable=missing[0],
            reason=f"API credentials are incomplete: {', '.join(missing)} unset",
            remedy="set all three POLYMARKET_API_* variables, or none",
        )

    def given_credentials(self, address: str) -> ApiCredentials | None:
        """Return the environment's credentials of this signing address, if there are any."""
        if self.api_key is None or self.api_secret is None or self.api_passphrase is None:
            return None
        return ApiCredentials(
            address,
            self.api_key.get_secret_value(),
            self.api_secret.get_secret_value(),
            self.api_passphrase.get_secret_value(),
        )

    @property
    def credentials_file(self) -> Path:
        """Where the executor leaves the credentials for userws."""
        return self.credentials_path or self.data_dir / "api_credentials.json"


class _File(msgspec.Struct):
    api_key: str
    secret: str
    passphrase: str
    address: str


def write_credentials(path: Path, credentials: ApiCredentials) -> None:
    """Leave them in a file of mode 0600, whole or not at all; raise `StartupError`."""
    content = _File(
        credentials.api_key, credentials.secret, credentials.passphrase, credentials.address
    )
    try:
        write_file_atomically(path, msgspec.json.encode(content))
    except OSError as error:
        raise StartupError(
            f"POLYMARKET_API_CREDENTIALS_FILE: cannot write {path}: {error.strerror}"
        ) from None


def read_credentials(path: Path) -> ApiCredentials:
    """Read what `write_credentials` left; raise `StartupError` for anything else."""
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
        return ApiCredentials(file.address, file.api_key, file.secret, file.passphrase)
    except OSError as error:
        raise StartupError(f"cannot read {path}: {error.strerror}") from None
    except (msgspec.MsgspecError, MalformedInputError):
        raise StartupError(
            f"{path} is not a JSON object of api_key, secret (base64), passphrase, address"
        ) from None
