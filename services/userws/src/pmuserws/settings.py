"""The user channel's own variables: API credentials, and never the private key."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from pmcore.shell.settings import CommonSettings

_ADDRESS = "^0x[0-9a-fA-F]{40}$"


class UserwsSettings(CommonSettings):
    """Common settings plus where the API credentials come from."""

    api_key: SecretStr | None = Field(None, validation_alias="POLYMARKET_API_KEY")
    api_secret: SecretStr | None = Field(None, validation_alias="POLYMARKET_API_SECRET")
    api_passphrase: SecretStr | None = Field(None, validation_alias="POLYMARKET_API_PASSPHRASE")
    address: str | None = Field(None, validation_alias="POLYMARKET_ADDRESS", pattern=_ADDRESS)
    funder: str | None = Field(None, validation_alias="POLYMARKET_FUNDER_ADDRESS", pattern=_ADDRESS)
    credentials_path: Path | None = Field(None, validation_alias="POLYMARKET_API_CREDENTIALS_FILE")
    credentials_wait_s: float = Field(
        60.0, validation_alias="PM_USERWS_CREDENTIALS_WAIT_S", ge=0, le=3600
    )
    lookback_s: int = Field(3600, validation_alias="PM_USERWS_LOOKBACK_S", ge=60, le=86_400)
    reconcile_s: float = Field(60.0, validation_alias="PM_USERWS_RECONCILE_S", ge=1, le=3600)

    @model_validator(mode="after")
    def _credentials_come_together(self) -> UserwsSettings:
        parts = {
            "POLYMARKET_API_KEY": self.api_key,
            "POLYMARKET_API_SECRET": self.api_secret,
            "POLYMARKET_API_PASSPHRASE": self.api_passphrase,
        }
        missing = [name for name, value in parts.items() if value is None]
        if missing and len(missing) < len(parts):
            raise ValueError(f"API credentials are incomplete: {', '.join(missing)} unset")
        if not missing and self.address is None:
            raise ValueError(
                "POLYMARKET_ADDRESS: needed beside POLYMARKET_API_KEY (signing address)"
            )
        return self

    @property
    def credentials_file(self) -> Path:
        """Where the executor leaves the credentials that it derived."""
        return self.credentials_path or self.data_dir / "api_credentials.json"
