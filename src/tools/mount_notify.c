// SPDX-License-Identifier: Apache-2.0
// What the kernel must hear because it believes what it was told: changes that came through an ioctl or a
// reparse attribute instead of its own requests. Telling waits for locks and for data to be written back,
// which the mount's threads serve, so it happens on a thread of its own; answers that must come after it are
// queued behind it.
#include "tools/mount.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local unsigned int noted;

// --- the queue -----------------------------------------------------------------------------------

void mount_task_add(struct mount *m, struct mount_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&m->tasks_lock);
    *m->last_task = task;
    m->last_task = &task->next;
    pthread_mutex_unlock(&m->tasks_lock);
    sem_post(&m->tasks_ready);
}

static struct mount_task *task_take(struct mount *m)
{
    while (sem_wait(&m->tasks_ready) != 0)
        continue;
    pthread_mutex_lock(&m->tasks_lock);
    struct mount_task *task = m->first_task;
    if (task) {
        m->first_task = task->next;
        if (!m->first_task)
            m->last_task = &m->first_task;
    }
    pthread_mutex_unlock(&m->tasks_lock);
    return task;
}

static void *notifier(void *mount)
{
    struct mount *m = mount;
    struct mount_task *task;
    while ((task = task_take(m)) != NULL)
        task->run(m, task);
    return NULL;
}

bool mount_notify_start(struct mount *m)
{
    sigset_t all, before;
    m->first_task = NULL;
    m->last_task = &m->first_task;
    if (pthread_mutex_init(&m->tasks_lock, NULL) != 0 || sem_init(&m->tasks_ready, 0, 0) != 0)
        return false;
    // Signals are for the thread that mount_life.c has for them; one that came here would kill the daemon.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = pthread_create(&m->notifier, NULL, notifier, m) == 0;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

// Nobody adds tasks any more; what is queued is done first.
void mount_notify_end(struct mount *m)
{
    sem_post(&m->tasks_ready);
    pthread_join(m->notifier, NULL);
    sem_destroy(&m->tasks_ready);
    pthread_mutex_destroy(&m->tasks_lock);
}

// --- telling -------------------------------------------------------------------------------------

// Failures mean that the kernel knows nothing about the node.
void mount_tell_node(struct mount *m, uint64_t node, bool data)
{
    (void)fuse_lowlevel_notify_inval_inode(m->session, ino_of(node), data ? 0 : -1, 0);
}

void mount_tell_name(struct mount *m, uint64_t parent, const char *name)
{
    (void)fuse_lowlevel_notify_inval_entry(m->session, ino_of(parent), name, strlen(name));
    // A listing that the kernel keeps.
    (void)fuse_lowlevel_notify_inval_inode(m->session, ino_of(parent), 0, 0);
}

void mount_tell_path(struct mount *m, uint64_t node)
{
    enum { PATH_SIZE = 65536 };
    char *path = malloc(PATH_SIZE);
    uint64_t parent = HF_NODE_ROOT;
    struct hf_attr attr;
    if (!path || hf_node_path(m->root, node, path, PATH_SIZE) != STATUS_SUCCESS) {
        free(path);
        return;
    }
    char *name = path, *slash;
    while (*name == '/')
        name++;
    while ((slash = strchr(name, '/')) != NULL) {
        *slash = 0;
        if (hf_node_find(m->root, parent, name, &attr) != STATUS_SUCCESS)
            break;
        parent = attr.id;
        name = slash + 1;
    }
    if (!slash && *name)
        mount_tell_name(m, parent, name);
    free(path);
}

// In its writeback cache the kernel knows sizes best, except that data which it is given makes a file longer.
// A file that became shorter is learned anew with its name, unless somebody has it open.
static void tell_data(struct mount *m, uint64_t node)
{
    enum { PAGE = 4096 };
    struct hf_attr attr;
    char page[PAGE];
    hf_handle handle;
    size_t done;
    mount_tell_node(m, node, true);
    if (hf_node_get(m->root, node, &attr) != STATUS_SUCCESS || !S_ISREG(attr.mode & S_IFMT))
        return;
    mount_tell_path(m, node);
    if (attr.size == 0 || hf_node_open(m->root, node, FILE_READ_DATA, &handle) != STATUS_SUCCESS)
        return;
    uint64_t start = (attr.size - 1) / PAGE * PAGE;
    if (hf_read(handle, start, page, (size_t)(attr.size - start), &done) == STATUS_SUCCESS && done > 0) {
        struct fuse_bufvec data = FUSE_BUFVEC_INIT(done);
        data.buf[0].mem = page;
        (void)fuse_lowlevel_notify_store(m->session, ino_of(node), (off_t)start, &data, 0);
    }
    (void)hf_close(handle);
}

// --- changes that ioctls made --------------------------------------------------------------------

struct change {
    struct mount_task task;
    uint64_t node, parent;
    bool data, named;
    char name[];
};

static void change_tell(struct mount *m, struct mount_task *task)
{
    struct change *change = (struct change *)task;
    if (change->named)
        mount_tell_name(m, change->parent, change->name);
    if (change->node && change->data)
        tell_data(m, change->node);
    else if (change->node)
        mount_tell_node(m, change->node, false);
    free(change);
}

void mount_note_change(void *mount, const struct call_change *what)
{
    struct mount *m = mount;
    const char *name = what->name ? what->name : "";
    struct change *change = malloc(sizeof *change + strlen(name) + 1);
    if (!change)
        return; // the kernel goes on with what it had
    *change = (struct change){.task.run = change_tell,
                              .node = what->node,
                              .parent = what->parent,
                              .data = what->data,
                              .named = what->name != NULL};
    memcpy(change->name, name, strlen(name) + 1);
    noted++;
    mount_task_add(m, &change->task);
}

unsigned int mount_changes_noted(void)
{
    unsigned int n = noted;
    noted = 0;
    return n;
}
