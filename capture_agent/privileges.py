"""Rights are given up once the sockets are open: what reads packets of strangers should be able to do little else."""

import ctypes
import os
import pwd

from callprint.core.ground.errors import ConfigError

# linux/capability.h, linux/prctl.h
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_NO_NEW_PRIVS = 38


def become(user: str) -> None:
    """Give root's rights up for those of `user`. Raises ConfigError when that cannot be."""
    # Python loads this codec with the first connection; the user may not read its file.
    "localhost".encode("idna")
    try:
        entry = pwd.getpwnam(user)
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    except KeyError as error:
        raise ConfigError(f"there is no user {user!r}") from error
    except PermissionError as error:
        raise ConfigError(f"only root can become {user}") from error


def drop_capabilities() -> bool:
    """Give every capability up, for good; False for root, who would have them back with the next program.

    Capabilities belong to threads: call it before others are started. Raises ConfigError when the kernel refuses.
    """
    if os.geteuid() == 0:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(
        _CAPABILITY_VERSION_3, 0
    )  # struct __user_cap_header_struct, 0: this thread
    nothing = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, of two words each
    # Without a new right by exec, and without permitted capabilities, ambient ones are gone as well.
    if libc.capset(header, nothing) or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise ConfigError(f"the capabilities cannot be given up: {os.strerror(ctypes.get_errno())}")
    return True
