// SPDX-License-Identifier: Apache-2.0
// What the kernel must hear because it believes what it was told: changes that came through an ioctl or a
// reparse attribute instead of its own requests. Telling waits for locks and for data to be written back,
// which the mount's threads serve, so it happens on threads of its own; answers to ioctls, whose callers hold
// no lock, are queued behind it.
#include "tools/mount.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static _Thread_local unsigned int noted;

// --- the queues ----------------------------------------------------------------------------------

void mount_task_add(struct mount_queue *queue, struct mount_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&queue->lock);
    *queue->last = task;
    queue->last = &task->next;
    pthread_mutex_unlock(&queue->lock);
    sem_post(&queue->ready);
}

static struct mount_task *task_take(struct mount_queue *queue)
{
    while (sem_wait(&queue->ready) != 0)
        continue;
    pthread_mutex_lock(&queue->lock);
    struct mount_task *task = queue->first;
    if (task) {
        queue->first = task->next;
        if (!queue->first)
            queue->last = &queue->first;
    }
    pthread_mutex_unlock(&queue->lock);
    return task;
}

static void *queue_run(void *context)
{
    struct mount_queue *queue = context;
    struct mount_task *task;
    while ((task = task_take(queue)) != NULL)
        task->run(queue->mount, task);
    return NULL;
}

static bool queue_start(struct mount *m, struct mount_queue *queue)
{
    queue->mount = m;
    queue->first = NULL;
    queue->last = &queue->first;
    if (pthread_mutex_init(&queue->lock, NULL) != 0)
        return false;
    if (sem_init(&queue->ready, 0, 0) == 0) {
        if (pthread_create(&queue->thread, NULL, queue_run, queue) == 0)
            return true;
        sem_destroy(&queue->ready);
    }
    pthread_mutex_destroy(&queue->lock);
    return false;
}

// Nobody adds tasks any more; what is queued is done first.
static void queue_end(struct mount_queue *queue)
{
    sem_post(&queue->ready);
    pthread_join(queue->thread, NULL);
    sem_destroy(&queue->ready);
    pthread_mutex_destroy(&queue->lock);
}

bool mount_notify_start(struct mount *m)
{
    sigset_t all, before;
    // Signals are for the thread that mount_life.c has for them; one that came here would kill the daemon.
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    bool good = queue_start(m, &m->tellings);
    if (good && !queue_start(m, &m->seeks)) {
        queue_end(&m->tellings);
        good = false;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return good;
}

void mount_notify_end(struct mount *m)
{
    queue_end(&m->tellings);
    queue_end(&m->seeks);
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

// The directory and name that the node's path shows; to be freed. NULL: it has none, or is the root.
static char *place_find(struct mount *m, uint64_t node, uint64_t *parent)
{
    enum { PATH_SIZE = 65536 };
    char *path = malloc(PATH_SIZE), *slash;
    struct hf_attr attr;
    *parent = HF_NODE_ROOT;
    nt_status status = path ? hf_node_path(m->root, node, path, PATH_SIZE) : STATUS_NO_MEMORY;
    char *name = path;
    while (status == STATUS_SUCCESS && *name == '/')
        name++;
    while (status == STATUS_SUCCESS && (slash = strchr(name, '/')) != NULL) {
        *slash = 0;
        status = hf_node_find(m->root, *parent, name, &attr);
        *parent = attr.id;
        name = slash + 1;
    }
    if (status != STATUS_SUCCESS || !*name) {
        free(path);
        return NULL;
    }
    memmove(path, name, strlen(name) + 1);
    return path;
}

static void tell_path(struct mount *m, uint64_t node)
{
    uint64_t parent;
    char *name = place_find(m, node, &parent);
    if (name)
        mount_tell_name(m, parent, name);
    free(name);
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
    tell_path(m, node);
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

struct type_change {
    struct mount_task task;
    uint64_t node;
};

static void type_tell(struct mount *m, struct mount_task *task)
{
    struct type_change *change = (struct type_change *)task;
    tell_path(m, change->node);
    mount_tell_node(m, change->node, true);
    free(change);
}

// The caller may use the name as soon as it is answered; where the kernel is too old to let names expire, it
// may for a moment see what was there before.
void mount_tell_type(struct mount *m, uint64_t node)
{
    uint64_t parent;
    struct type_change *change = malloc(sizeof *change);
    char *name = place_find(m, node, &parent);
    raw_names_expire(m->session);
    if (name) // a listing has nothing to write back, so this does not wait
        mount_tell_node(m, parent, true);
    free(name);
    if (!change)
        return;
    *change = (struct type_change){.task.run = type_tell, .node = node};
    mount_task_add(&m->tellings, &change->task);
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
    mount_task_add(&m->tellings, &change->task);
}

unsigned int mount_changes_noted(void)
{
    unsigned int n = noted;
    noted = 0;
    return n;
}
