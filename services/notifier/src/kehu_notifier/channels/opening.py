"""The channels of one process, as its settings have them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager

from kehu.parts import Running
from kehu_notifier.channels.aliyun import AliyunSms
from kehu_notifier.channels.calling import provider_client
from kehu_notifier.channels.channel import Channel
from kehu_notifier.channels.sandbox import Sandbox
from kehu_notifier.channels.wecom import WeCom
from kehu_notifier.settings import SMS_SECRET, WECOM_SECRET, NotifierSettings


@asynccontextmanager
async def open_channels(running: Running, settings: NotifierSettings) -> AsyncGenerator[Mapping[str, Channel]]:
    """Open every channel that is set up, and the sandbox; by name.

    Raises:
        kehu.settings.MissingSecretError: a channel is set up, and the file with its secret is not there.

    """
    async with provider_client() as client:
        channels: dict[str, Channel] = {"sandbox": Sandbox(running.pool)}
        if "sms" in settings.outlets:
            secret = running.settings.secret(SMS_SECRET)
            channels["sms"] = AliyunSms(
                client, settings.sms_endpoint, settings.sms_access_key_id, secret, settings.sms_sign_name
            )
        if "wecom" in settings.outlets:
            secret = running.settings.secret(WECOM_SECRET)
            channels["wecom"] = WeCom(
                client, settings.wecom_endpoint, settings.wecom_corp_id, secret, settings.wecom_agent_id
            )
        yield channels
