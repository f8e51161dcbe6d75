"""Drops privileges once the sockets are open: what reads packets of strangers should be able to do little else."""

import ctypes
import os
import pwd

from callprint.core.ground.errors import ConfigError

# linux/capability.h, linux/prctl.h
_CAPABILITY_VERSION_3 = 0x20080522
_PR_SET_NO_NEW_PRIVS = 38


def become(user: str) -> None:
    """Become `user` instead of root, for good. Raises ConfigError when that is not possible."""
    # Python loads this codec with the first connection; the user may not be allowed to read its file.
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
    """Drop every capability for good; return False for root, who would get them back with the next exec.

    Capabilities belong to threads: call it before starting others. Raises ConfigError when the kernel refuses.
    """
    if os.geteuid() == 0:
        return False
    libc = ctypes.CDLL(None, use_errno=True)
    # struct __user_cap_header_struct; 0 is this thread
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    nothing = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable, two words each
    # Ambient capabilities go with the permitted ones, and exec gives no new ones.
    if libc.capset(header, nothing) or libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise ConfigError(f"the capabilities cannot be dropped: {os.strerror(ctypes.get_errno())}")
    return True
