"""The schema of `configs/*.yaml`: what may be set, within which bounds, and what it trades."""

from app.config.auth import AuthSettings, KeyRule, QuotaSettings
from app.config.cache import CacheSettings, EarningSettings, SimilaritySettings
from app.config.darkroom import (
    DarkroomSettings,
    EndpointSettings,
    FetchSettings,
    RaySettings,
    RoutingSettings,
    S3Settings,
    ScalingPlaces,
    ServerSettings,
    StorageSettings,
    TelemetrySettings,
    WebhookSettings,
)
from app.config.loading import load_settings
from app.config.variants import LATENT_PATCH, AutoscalingSettings, UpscalerSettings, VariantSettings

__all__ = [
    "LATENT_PATCH",
    "AuthSettings",
    "AutoscalingSettings",
    "CacheSettings",
    "DarkroomSettings",
    "EarningSettings",
    "EndpointSettings",
    "FetchSettings",
    "KeyRule",
    "QuotaSettings",
    "RaySettings",
    "RoutingSettings",
    "S3Settings",
    "ScalingPlaces",
    "ServerSettings",
    "SimilaritySettings",
    "StorageSettings",
    "TelemetrySettings",
    "UpscalerSettings",
    "VariantSettings",
    "WebhookSettings",
    "load_settings",
]
