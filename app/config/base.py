"""What every group of settings shares."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Port = Annotated[int, Field(ge=1, le=65535)]


class Settings(BaseModel):
    """A frozen group of settings that refuses a misspelt key."""

    model_config = ConfigDict(frozen=True, extra="forbid")
