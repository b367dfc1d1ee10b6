"""What the notifier is told from outside beside `kehu.settings`: which channels are set up. Secrets are files."""

from __future__ import annotations

from pydantic_settings import BaseSettings, SettingsConfigDict

from kehu_notifier.templates.template import Outlet

#: Files in the directory of secrets.
SMS_SECRET = "aliyun-sms.secret"  # noqa: S105 - a file's name
WECOM_SECRET = "wecom.secret"  # noqa: S105 - a file's name


class NotifierSettings(BaseSettings):
    """Read from variables with the prefix `KEHU_NOTIFIER_`. A channel without them falls to the sandbox.

    Args:
        sms_access_key_id: of an Aliyun RAM user that may send SMS; its secret is the file ``aliyun-sms.secret``.
        sms_sign_name: the approved signature, which stands in 【】 before every SMS.
        sms_endpoint: of Aliyun's dysmsapi.
        wecom_corp_id: the company's id in WeCom (企业微信); the application's secret is the file ``wecom.secret``.
        wecom_agent_id: the application that writes to employees. Their WeCom ids are their staff numbers.
        wecom_endpoint: of WeCom's API.

    """

    model_config = SettingsConfigDict(env_prefix="KEHU_NOTIFIER_", frozen=True)

    sms_access_key_id: str = ""
    sms_sign_name: str = "Kehu"
    sms_endpoint: str = "https://dysmsapi.aliyuncs.com"
    wecom_corp_id: str = ""
    wecom_agent_id: int = 0
    wecom_endpoint: str = "https://qyapi.weixin.qq.com"

    @property
    def outlets(self) -> frozenset[Outlet]:
        """The channels that are set up."""
        named: dict[Outlet, str] = {"sms": self.sms_access_key_id, "wecom": self.wecom_corp_id}
        return frozenset(outlet for outlet, credential in named.items() if credential)
