"""How the bucket is spoken to. The AWS variables are botocore's own; those of checksums are for other S3s.

botocore sends checksums that some S3s refuse, with 400 or 501 for every upload: x-amz-checksum-… headers, and bodies in
aws-chunked form. `when_required` leaves them out.
"""

from __future__ import annotations

import os

from botocore.config import Config

CHECKSUM_VARIABLES = ("AWS_REQUEST_CHECKSUM_CALCULATION", "AWS_RESPONSE_CHECKSUM_VALIDATION")


def client_config() -> Config:
    """Return the client's settings. In all at most about six seconds for a call.

    A server that hangs is told from one that is slow: the time-outs are for connecting and for each read.
    """
    return Config(
        signature_version="s3v4",
        connect_timeout=1.5,
        read_timeout=3,
        retries={"total_max_attempts": 2, "mode": "standard"},
        max_pool_connections=32,
        request_checksum_calculation=os.environ.get("AWS_REQUEST_CHECKSUM_CALCULATION") or "when_supported",
        response_checksum_validation=os.environ.get("AWS_RESPONSE_CHECKSUM_VALIDATION") or "when_supported",
    )


def advice() -> str:
    """Return what to set when the bucket refuses what it is sent, '' when that is set already."""
    if all(os.environ.get(name) == "when_required" for name in CHECKSUM_VARIABLES):
        return ""
    wanted = " and ".join(f"{name}=when_required" for name in CHECKSUM_VARIABLES)
    return f"if this S3 is not Amazon's, set {wanted}"
