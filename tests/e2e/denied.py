"""A kernel or container without a system call: a command line to put in front of a program (seccomp(2), SECCOMP_RET_ERRNO)."""

import ctypes
import os
import platform
import struct
import sys

NUMBERS = {"x86_64": {"close_range": 436}, "aarch64": {"close_range": 436}}
BPF_LD_W_ABS, BPF_JEQ, BPF_JSET, BPF_RET = 0x20, 0x15, 0x45, 0x06
ERRNO, ALLOW = 0x00050000, 0x7fff0000
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2


def without(call, error, bit_of_third_argument=0):
    """The call fails with this errno; with a bit, only where its third argument has it."""
    number = NUMBERS[platform.machine()][call]
    return [sys.executable, __file__, str(number), str(error), str(bit_of_third_argument)]


def _main(number, error, bit, *command):
    steps = [(BPF_LD_W_ABS, 0, 0, 0), (BPF_JEQ, 0, 3 if bit else 1, number)]
    if bit:
        steps += [(BPF_LD_W_ABS, 0, 0, 16 + 2 * 8), (BPF_JSET, 0, 1, bit)]
    steps += [(BPF_RET, 0, 0, ERRNO | error), (BPF_RET, 0, 0, ALLOW)]
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(steps), ctypes.addressof(code)))
    libc = ctypes.CDLL(None, use_errno=True)
    # Only CAP_SYS_ADMIN, which root has not in every container, may do it and keep the programs' other rights.
    if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) != 0:
        libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        if libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, program, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "seccomp")
    os.execvp(command[0], command)


if __name__ == "__main__":
    _main(*map(int, sys.argv[1:4]), *sys.argv[4:])
