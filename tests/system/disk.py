"""A disk that can lose its power: a file system on an image of its own, cut off by the kernel's shutdown ioctl.

The ioctl (ext4 and XFS have it under one number) stops the file system at once: nothing that is still in memory goes to the
disk any more, the journal neither. What a program was told is durable is there after the next mount; what it only wrote is not.
Mounting is for root, so these tests run as root only (CI does).
"""
import contextlib
import fcntl
import os
import struct
import subprocess

SHUTDOWN = 0x8004587D  # _IOR('X', 125, __u32): EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN
NO_LOG_FLUSH = 2
MAKE = {
    "ext4": ["mkfs.ext4", "-q", "-J", "size=4"],
    "xfs": ["mkfs.xfs", "-q"],
}


class Disk:
    def __init__(self, folder, kind="ext4"):
        self.image, self.path = folder / f"{kind}.image", folder / kind
        self.path.mkdir()
        with self.image.open("wb") as file:
            file.truncate(640 << 20)  # a hole; XFS wants 300 MB at least
        subprocess.run([*MAKE[kind], self.image], check=True)
        self.mount()

    def mount(self):
        subprocess.run(["mount", "-o", "loop", self.image, self.path], check=True)

    def unmount(self):
        subprocess.run(["umount", self.path], check=True)

    def remount(self, options):
        subprocess.run(["mount", "-o", f"remount,{options}", self.path], check=True)

    def cut(self):
        """The power is gone. Whoever has files open there gets errors, and nothing more reaches the image."""
        fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.ioctl(fd, SHUTDOWN, struct.pack("I", NO_LOG_FLUSH))
        finally:
            os.close(fd)

    def power_on(self):
        """After a cut, and after the programs that ran on it are dead."""
        self.unmount()
        self.mount()

    def close(self):
        with contextlib.suppress(subprocess.CalledProcessError):
            self.unmount()
