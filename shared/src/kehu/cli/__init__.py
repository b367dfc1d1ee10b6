"""The `kehu` command: runs the system, looks into it, and keeps it in order. One module a command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.metadata import version

import cyclopts
from rich.console import Console

from kehu.cli.session import CommandFailed, explain
from kehu.logs import configure_logs

_HELP = """Kehu(客户):客户管理系统。Customer management, event-sourced.

Start with `kehu up`: it runs the whole system on this machine. The other commands find it by themselves.
"""

#: Registered by where they are, so that a command loads what it needs and no more.
_COMMANDS = {
    "up": ("kehu.cli.up:up", "启动整个系统。Run the whole system on this machine."),
    "serve": ("kehu.cli.serve:serve", "运行一个服务。Run one service."),
    "migrate": ("kehu.cli.migrate:migrate", "升级数据库。Bring the database up to date."),
    "token": ("kehu.cli.token:token", "签发令牌。Print a bearer token for a person."),
    "clock": ("kehu.cli.clock:app", "系统时钟。Show the policy's time, or move it in a demonstration."),
    "tail": ("kehu.cli.tail:tail", "实时查看事实。Show facts as they pass through Kafka."),
    "audit": ("kehu.cli.audit:app", "审计。Who did what, when, and why."),
    "dead-letters": ("kehu.cli.dead_letters:app", "死信。Messages that a service had to set aside."),
    "rebuild": ("kehu.cli.rebuild:rebuild", "重建视图。Fold a view anew from the facts."),
    "restore": ("kehu.cli.restore:restore", "从逻辑备份恢复。Take the log of a logical dump in."),
    "health": ("kehu.cli.health:health", "系统健康。Say whether each service is ready."),
    "sample": ("kehu.cli.sample:sample", "示例公司。Load the sample company."),
    "topics": ("kehu.cli.topics:topics", "建立主题。Create the Kafka topics that are missing."),
    "secrets": ("kehu.cli.secrets:secrets", "生成密钥。Make an installation's passwords and keys."),
    "openapi": ("kehu.cli.documents:openapi", "HTTP 接口文档。Print a service's OpenAPI document."),
    "asyncapi": ("kehu.cli.documents:asyncapi", "消息接口文档。Print a service's AsyncAPI document."),
    "test": ("kehu.cli.test:test", "运行测试。Run the project's tests."),
    "bench": ("kehu.cli.bench:bench", "性能对比。Measure Kehu beside other tools doing the same work."),
}
_USAGE = 2


def make_app(chosen: str = "") -> cyclopts.App:
    """The command with all its commands; `chosen` is loaded, the others are listed by their summaries."""
    app = cyclopts.App(name="kehu", help=_HELP, version=version("kehu-shared"), result_action="return_value")
    for name, (place, summary) in _COMMANDS.items():
        if name == chosen:
            app.command(place, name=name)
        else:
            app.command(place, name=name, help=summary)
    return app


def run(arguments: Sequence[str]) -> int:
    """Run one command.

    Returns:
        Its exit code: 0 done, 1 refused or failed (a sentence on the error output says why), 2 wrongly called.

    """
    errors = Console(stderr=True)
    try:
        app = make_app(arguments[0] if arguments else "")
        result = app(list(arguments), exit_on_error=False, print_error=True, error_console=errors)
    except cyclopts.CycloptsError:
        return _USAGE  # cyclopts has said what is wrong
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        sentence = explain(error)
        if sentence is None:
            raise
        errors.print(f"kehu: {sentence}", markup=False, highlight=False, soft_wrap=True)
        return error.exit_code if isinstance(error, CommandFailed) else 1
    return result if isinstance(result, int) else 0


def main() -> None:
    """Run the `kehu` command of this process."""
    # What a command prints is for its user or the next program; warnings of the parts that it leans on go beside it.
    configure_logs("WARNING", "kehu", stream=sys.stderr, for_people=True)
    sys.exit(run(sys.argv[1:]))
