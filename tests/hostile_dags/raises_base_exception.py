"""A dag file of skyray that raises what nobody catches."""


class Escape(BaseException):
    def __str__(self) -> str:
        raise self


raise Escape()
