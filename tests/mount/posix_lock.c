// SPDX-License-Identifier: Apache-2.0
// posix_test: locks between processes: fcntl, open file descriptions, flock.
#include "tests/mount/posix.h"

#include <signal.h>
#include <sys/file.h>
#include <sys/wait.h>

static int set_lock(int fd, int command, short type, off_t start, off_t length)
{
    struct flock l = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    return fcntl(fd, command, &l);
}

CASE(lock_between_processes)
{
    int fd = new_file("f", 0644);
    MUST(set_lock(fd, F_SETLK, F_WRLCK, 100, 100));
    MUST(set_lock(fd, F_SETLK, F_RDLCK, 300, 0));
    pid_t parent = getpid();
    OTHER_PROCESS
    {
        int mine = MUST(open("f", O_RDWR));
        FAILS(EAGAIN, set_lock(mine, F_SETLK, F_WRLCK, 150, 1));
        FAILS(EAGAIN, set_lock(mine, F_SETLK, F_RDLCK, 0, 0));
        FAILS(EAGAIN, set_lock(mine, F_SETLK, F_WRLCK, 1 << 30, 10));
        MUST(set_lock(mine, F_SETLK, F_RDLCK, 1000, 10));
        MUST(set_lock(mine, F_SETLK, F_WRLCK, 0, 100));
        MUST(set_lock(mine, F_SETLK, F_WRLCK, 200, 100));
        struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 0, .l_len = 0};
        MUST(fcntl(mine, F_GETLK, &l));
        EQUAL(l.l_type, F_WRLCK);
        EQUAL(l.l_start, 100);
        EQUAL(l.l_len, 100);
        EQUAL(l.l_pid, parent);
    }
    MUST(set_lock(fd, F_SETLK, F_UNLCK, 120, 10)); // splits
    OTHER_PROCESS
    {
        int mine = MUST(open("f", O_RDWR));
        MUST(set_lock(mine, F_SETLK, F_WRLCK, 120, 10));
        FAILS(EAGAIN, set_lock(mine, F_SETLK, F_WRLCK, 119, 1));
        FAILS(EAGAIN, set_lock(mine, F_SETLK, F_WRLCK, 130, 1));
    }
    // Any close of the file by the process drops all its locks.
    MUST(close(MUST(open("f", O_RDONLY))));
    OTHER_PROCESS
    MUST(set_lock(MUST(open("f", O_RDWR)), F_SETLK, F_WRLCK, 0, 0));
}

CASE(lock_waits_and_is_granted)
{
    int fd = new_file("f", 0644), pipes[2];
    MUST(pipe(pipes));
    MUST(set_lock(fd, F_SETLK, F_WRLCK, 0, 10));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        int mine = MUST(open("f", O_RDWR));
        EQUAL(write(pipes[1], "w", 1), 1);
        MUST(set_lock(mine, F_SETLKW, F_WRLCK, 0, 10));
        char c = 0;
        read_at(mine, &c, 1, 0);
        _exit(c == 'd' ? 0 : 1); // written while the lock was held
    }
    char c;
    EQUAL(read(pipes[0], &c, 1), 1);
    usleep(50000);
    write_at(fd, "d", 1, 0);
    MUST(set_lock(fd, F_SETLK, F_UNLCK, 0, 10));
    int status;
    MUST(waitpid(pid, &status, 0));
    EQUAL(status, 0);
}

CASE(lock_goes_with_a_killed_process)
{
    int fd = new_file("f", 0644), pipes[2];
    MUST(pipe(pipes));
    pid_t pid = MUST(fork());
    if (pid == 0) {
        MUST(set_lock(MUST(open("f", O_RDWR)), F_SETLK, F_WRLCK, 0, 0));
        EQUAL(write(pipes[1], "l", 1), 1);
        pause();
    }
    char c;
    EQUAL(read(pipes[0], &c, 1), 1);
    FAILS(EAGAIN, set_lock(fd, F_SETLK, F_WRLCK, 0, 0));
    MUST(kill(pid, SIGKILL));
    MUST(waitpid(pid, NULL, 0));
    MUST(set_lock(fd, F_SETLKW, F_WRLCK, 0, 0));
}

CASE(lock_of_open_file_descriptions)
{
    int a = new_file("f", 0644), b = MUST(open("f", O_RDWR)), same = MUST(dup(a));
    MUST(set_lock(a, F_OFD_SETLK, F_WRLCK, 0, 100));
    FAILS(EAGAIN, set_lock(b, F_OFD_SETLK, F_WRLCK, 50, 10)); // one process, two descriptions
    FAILS(EAGAIN, set_lock(b, F_SETLK, F_WRLCK, 50, 10));     // and both kinds see each other
    MUST(set_lock(same, F_OFD_SETLK, F_WRLCK, 50, 10));
    MUST(set_lock(b, F_OFD_SETLK, F_RDLCK, 100, 10));
    MUST(close(a));
    FAILS(EAGAIN, set_lock(b, F_OFD_SETLK, F_WRLCK, 50, 10)); // the dup keeps it
    MUST(close(same));
    MUST(set_lock(b, F_OFD_SETLK, F_WRLCK, 50, 10));
}

CASE(lock_whole_files)
{
    int a = new_file("f", 0644), b = MUST(open("f", O_RDONLY));
    MUST(flock(a, LOCK_EX));
    FAILS(EWOULDBLOCK, flock(b, LOCK_SH | LOCK_NB));
    OTHER_PROCESS
    FAILS(EWOULDBLOCK, flock(MUST(open("f", O_RDONLY)), LOCK_EX | LOCK_NB));
    MUST(flock(a, LOCK_SH));
    MUST(flock(b, LOCK_SH | LOCK_NB));
    FAILS(EWOULDBLOCK, flock(a, LOCK_EX | LOCK_NB));
    MUST(close(b));
    MUST(flock(a, LOCK_EX | LOCK_NB));
    MUST(close(a));
    MUST(flock(MUST(open("f", O_RDONLY)), LOCK_EX | LOCK_NB));
}

CASE(lock_kinds_need_their_access)
{
    touch("f");
    FAILS(EBADF, set_lock(MUST(open("f", O_RDONLY)), F_SETLK, F_WRLCK, 0, 1));
    FAILS(EBADF, set_lock(MUST(open("f", O_WRONLY)), F_SETLK, F_RDLCK, 0, 1));
}
