"""The schema of `configs/*.yaml`: what may be set, within which bounds, and what it trades."""

from app.config.darkroom import (
    CacheSettings,
    DarkroomSettings,
    EndpointSettings,
    FetchSettings,
    RaySettings,
    RoutingSettings,
    ServerSettings,
    StorageSettings,
    TelemetrySettings,
    WebhookSettings,
)
from app.config.loading import load_settings
from app.config.variants import LATENT_PATCH, AutoscalingSettings, UpscalerSettings, VariantSettings

__all__ = [
    "LATENT_PATCH",
    "AutoscalingSettings",
    "CacheSettings",
    "DarkroomSettings",
    "EndpointSettings",
    "FetchSettings",
    "RaySettings",
    "RoutingSettings",
    "ServerSettings",
    "StorageSettings",
    "TelemetrySettings",
    "UpscalerSettings",
    "VariantSettings",
    "WebhookSettings",
    "load_settings",
]
