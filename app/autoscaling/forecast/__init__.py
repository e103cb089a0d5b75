"""Forecasts of requests per minute: cheap models behind one contract, calibrated by what they got wrong of late."""
