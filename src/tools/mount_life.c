// SPDX-License-Identifier: Apache-2.0
// A mount's life: what the kernel and the machine are asked for, the thread that commits, logs and listens to
// signals, and the end. Signals are for that thread alone; it unmounts, so that the kernel writes back what
// it holds while the mount still serves.
#include "tools/mount.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "tools/mount_loop.h"

struct life {
    struct mount *m;
    void (*ready)(void *context);
    void *context;
    pthread_t main;
    int signals, events, end; // descriptors
    uint64_t seen;            // the newest event that was logged
    nt_status commit_failed;  // what the last one came to
    _Atomic bool ended;
};

// --- records -------------------------------------------------------------------------------------

static void record(const struct mount *m, int priority, const char *text)
{
    syslog(priority, "%s", text);
    if (m->options.foreground)
        fprintf(stderr, "holdfast: %s\n", text);
}

static void event_record(const struct mount *m, const struct hf_event *event)
{
    static const char *const texts[] = {"metadata corrected from its second copy", "metadata damaged",
                                        "file data corrected", "file data damaged"};
    const char *what = event->id >= 130 && event->id <= 133 ? texts[event->id - 130] : "damage";
    char path[4096] = "", line[4096 + 256];
    if (event->node && hf_node_path(m->root, event->node, path, sizeof path) != STATUS_SUCCESS)
        snprintf(path, sizeof path, "file %llu", (unsigned long long)event->node);
    snprintf(line, sizeof line, "%s: event %u: %s%s%s: offset %llu, length %llu", m->image, event->id, what,
             path[0] ? ": " : "", path, (unsigned long long)event->offset, (unsigned long long)event->length);
    for (char *p = line; *p; p++) // of names
        *p = (unsigned char)*p < 0x20 || *p == 0x7f ? '?' : *p;
    record(m, event->id & 1 ? LOG_ERR : LOG_WARNING, line);
}

static void events_record(struct life *life)
{
    struct hf_event events[16];
    size_t count;
    do {
        count = sizeof events / sizeof events[0];
        if (hf_events(life->m->root, life->seen, events, &count) != STATUS_SUCCESS)
            return;
        for (size_t i = 0; i < count; i++) {
            event_record(life->m, &events[i]);
            life->seen = events[i].sequence;
        }
    } while (count > 0);
}

static void event_happened(void *context)
{
    const struct life *life = context;
    (void)!write(life->events, &(uint64_t){1}, sizeof(uint64_t));
}

// --- the end -------------------------------------------------------------------------------------

static int run_fusermount(const char *directory, bool lazy)
{
    int status = -1;
    pid_t child = fork();
    if (child == 0) {
        const char *options = lazy ? "-uqz" : "-uq";
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        execlp("fusermount3", "fusermount3", options, "--", directory, (char *)NULL);
        _exit(127);
    }
    if (child > 0) {
        while (waitpid(child, &status, 0) < 0 && errno == EINTR)
            continue;
    }
    errno = EBUSY; // what it mostly is; the program does not say
    return status == 0 ? 0 : -1;
}

int mount_end(const char *directory, bool lazy)
{
    if (geteuid() == 0)
        return umount2(directory, UMOUNT_NOFOLLOW | (lazy ? MNT_DETACH : 0));
    return run_fusermount(directory, lazy);
}

// Somebody still uses the mount: what was written is made safe, the directory is freed, users get errors.
static void leave_users(struct life *life)
{
    struct mount *m = life->m;
    int fd = open(m->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    record(m, LOG_WARNING, "the mount is in use; what was written is kept, open files are lost");
    if (fd >= 0) {
        (void)syncfs(fd);
        close(fd);
    }
    (void)mount_end(m->directory, true);
    fuse_session_exit(m->session);
    // The main thread looks when a signal wakes it.
    while (!life->ended) {
        pthread_kill(life->main, SIGUSR2);
        nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    }
}

static void terminate(struct life *life)
{
    if (mount_end(life->m->directory, false) != 0 && !life->ended)
        leave_users(life);
}

// --- the thread beside the requests --------------------------------------------------------------

static void setting_write(unsigned int major, unsigned int minor, const char *name, const char *value)
{
    char path[128];
    snprintf(path, sizeof path, "/sys/class/bdi/%u:%u/%s", major, minor, name);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, value, strlen(value));
    close(fd);
}

// What only the machine's owner may ask for: see "The mount" in docs/DESIGN.md.
static void settings_ask(dev_t device)
{
    if (geteuid() != 0)
        return;
    setting_write(major(device), minor(device), "read_ahead_kb", "256");
    setting_write(major(device), minor(device), "strict_limit", "0");
    setting_write(major(device), minor(device), "max_ratio", "100");
}

static bool begin(struct life *life)
{
    struct stat st;
    // The first request that the mount must answer.
    if (stat(life->m->directory, &st) != 0)
        return false;
    settings_ask(st.st_dev);
    life->ready(life->context);
    return true;
}

// What failed is tried again, as long as anything may come of it (a medium that comes back), and told once.
static void commit(struct life *life)
{
    struct mount *m = life->m;
    if (!atomic_exchange(&m->changed, false))
        return;
    nt_status status = hf_flush(m->root);
    if (status != STATUS_SUCCESS)
        m->changed = true;
    if (status != STATUS_SUCCESS && status != life->commit_failed) {
        char line[256];
        const char *name = hf_status_name(status);
        snprintf(line, sizeof line, "%.200s: cannot commit: %s", m->image, name ? name : "unknown status");
        record(m, LOG_ERR, line);
    }
    life->commit_failed = status;
}

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void *beside(void *context)
{
    struct life *life = context;
    struct mount *m = life->m;
    int64_t interval = (int64_t)m->options.commit * 1000, due = now_ms() + interval;
    bool begun = begin(life);
    while (begun) {
        struct pollfd fds[] = {{life->signals, POLLIN, 0}, {life->events, POLLIN, 0}, {life->end, POLLIN, 0}};
        int64_t left = due - now_ms();
        int n = poll(fds, 3, interval ? (int)(left > 0 ? left : 0) : -1);
        if (n < 0 && errno != EINTR)
            break;
        if (fds[2].revents)
            break;
        struct signalfd_siginfo info;
        if (fds[0].revents && read(life->signals, &info, sizeof info) > 0)
            terminate(life);
        uint64_t counted;
        if (fds[1].revents && read(life->events, &counted, sizeof counted) > 0)
            events_record(life);
        if (interval && now_ms() >= due) {
            commit(life);
            due = now_ms() + interval;
        }
    }
    return NULL;
}

// --- life ----------------------------------------------------------------------------------------

static void woken(int number)
{
    (void)number;
}

static bool life_open(struct life *life, sigset_t *mask)
{
    sigemptyset(mask);
    sigaddset(mask, SIGTERM);
    sigaddset(mask, SIGINT);
    sigaddset(mask, SIGHUP);
    if (sigaction(SIGUSR2, &(struct sigaction){.sa_handler = woken}, NULL) != 0 ||
        sigaction(SIGPIPE, &(struct sigaction){.sa_handler = SIG_IGN}, NULL) != 0 ||
        pthread_sigmask(SIG_BLOCK, mask, NULL) != 0)
        return false;
    life->signals = signalfd(-1, mask, SFD_CLOEXEC | SFD_NONBLOCK);
    life->events = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    life->end = eventfd(0, EFD_CLOEXEC);
    return life->signals >= 0 && life->events >= 0 && life->end >= 0;
}

bool mount_live(struct mount *m, void (*ready)(void *context), void *context)
{
    struct life life = {.m = m,
                        .ready = ready,
                        .context = context,
                        .main = pthread_self(),
                        .signals = -1,
                        .events = -1,
                        .end = -1};
    sigset_t mask;
    pthread_t thread;
    bool good = life_open(&life, &mask);
    // Writing to the image must not wait for the kernel's own pages of this mount to be written.
    if (geteuid() == 0)
        (void)prctl(PR_SET_IO_FLUSHER, 1, 0, 0, 0);
    good = good && pthread_create(&thread, NULL, beside, &life) == 0;
    if (good) {
        (void)hf_listen(m->root, event_happened, &life);
        int error = loop_run(m->session, m->options.awake);
        life.ended = true;
        (void)!write(life.end, &(uint64_t){1}, sizeof(uint64_t));
        good = error == 0;
        fuse_session_unmount(m->session); // begin's stat gets an error if the mount never worked
        pthread_join(thread, NULL);
        (void)hf_listen(m->root, NULL, NULL);
        events_record(&life);
    } else {
        fuse_session_unmount(m->session);
    }
    close(life.signals);
    close(life.events);
    close(life.end);
    return good;
}
