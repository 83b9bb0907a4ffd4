// SPDX-License-Identifier: Apache-2.0
// Serves native calls that come into a mount as ioctls (mount_call.h). Every byte of a message comes from
// outside: lengths are checked before anything is read, handles must have been opened on the same descriptor,
// memory is bounded for each descriptor and for the mount.
#include "tools/mount_call.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS = 1024, HANDLES_MAX = 1 << 16, SHARE_OF_ONE_USER = 4 };

// A large input that is being brought, or a large output that is being fetched.
struct transaction {
    struct transaction *next;
    uint64_t id;
    bool output;
    uint32_t length, present; // bytes in all; staged, or fetched so far
    uint32_t uid;
    unsigned char data[];
};

// What somebody who may not do everything has here at the moment: at most a quarter of all, so that others
// find room.
struct account {
    struct account *next;
    uint32_t uid;
    unsigned handles;
    size_t staged;
};

// A descriptor that has something here.
struct user {
    struct user *next;
    uint64_t key;
    struct transaction *transactions;
    unsigned staged, handles;
    hf_handle directory; // our own handle on the descriptor's directory; NULL: not needed yet
    uint32_t directory_access;
};

struct bound {
    struct bound *next;
    uint64_t key;
    hf_handle handle;
    uint64_t node;
    uint32_t uid;
    bool doomed; // it is deleted when it is closed
    bool volume;
    char separator;
};

struct call_door {
    struct call_options options;
    hf_handle posix_root, windows_root;
    char volume_name[16];
    pthread_mutex_t mutex; // a leaf: never held across a call into the volume
    struct user *users[BUCKETS];
    struct bound *handles[BUCKETS];
    struct account *accounts;
    _Atomic unsigned user_count;
    unsigned handle_count;
    size_t staged;
    uint64_t last_id;
};

// One message, while it is served.
struct call {
    struct call_door *door;
    const struct call_fd *fd;
    struct rights rights;
    struct hf_linux_call head;
    const unsigned char *in;
    uint32_t in_length;
    struct transaction *input; // holds in when it was staged
    unsigned char *out;
    uint32_t out_length; // room
    size_t done;
};

// --- the door ------------------------------------------------------------------------------------

nt_status call_open(const struct call_options *options, struct call_door **out)
{
    *out = NULL;
    struct call_door *door = calloc(1, sizeof *door);
    if (!door)
        return STATUS_NO_MEMORY;
    door->options = *options;
    pthread_mutex_init(&door->mutex, NULL);
    char name[16];
    snprintf(name, sizeof name, "%.8s/", options->drive);
    snprintf(door->volume_name, sizeof door->volume_name, "\\\\.\\%.8s", options->drive);
    nt_status status = hf_open(name, NULL, &door->posix_root);
    if (status == STATUS_SUCCESS) {
        snprintf(name, sizeof name, "%.8s\\", options->drive);
        status = hf_open(name, NULL, &door->windows_root);
    }
    if (status != STATUS_SUCCESS)
        call_close(door);
    else
        *out = door;
    return status;
}

// Whatever closing a handle answers, it is closed.
static void close_handle(hf_handle h)
{
    nt_status status = h ? hf_close(h) : STATUS_SUCCESS;
    (void)status;
}

void call_close(struct call_door *door)
{
    for (int i = 0; i < BUCKETS; i++)
        while (door->users[i])
            call_forget(door, door->users[i]->key);
    close_handle(door->posix_root);
    close_handle(door->windows_root);
    pthread_mutex_destroy(&door->mutex);
    free(door);
}

static size_t bucket_of(uint64_t value)
{
    return (size_t)((value * 0x9E3779B97F4A7C15ull) >> 54) % BUCKETS;
}

static struct user *user_find(struct call_door *door, uint64_t key)
{
    struct user *user = door->users[bucket_of(key)];
    while (user && user->key != key)
        user = user->next;
    return user;
}

static struct user *user_get(struct call_door *door, uint64_t key)
{
    struct user *user = user_find(door, key);
    if (user)
        return user;
    user = calloc(1, sizeof *user);
    if (!user)
        return NULL;
    user->key = key;
    user->next = door->users[bucket_of(key)];
    door->users[bucket_of(key)] = user;
    door->user_count++;
    return user;
}

// Who comes to have this much more, if he may; the mutex is held.
static bool account_add(struct call_door *door, uint32_t uid, unsigned handles, size_t staged)
{
    struct account *a = door->accounts;
    if (uid == 0 || uid == door->options.uid)
        return true;
    while (a && a->uid != uid)
        a = a->next;
    if (!a && (a = calloc(1, sizeof *a)) != NULL) {
        *a = (struct account){.next = door->accounts, .uid = uid};
        door->accounts = a;
    }
    if (!a || a->handles + handles > HANDLES_MAX / SHARE_OF_ONE_USER ||
        a->staged + staged > HF_LINUX_STAGED_MAX / SHARE_OF_ONE_USER)
        return false;
    a->handles += handles;
    a->staged += staged;
    return true;
}

static void account_take(struct call_door *door, uint32_t uid, unsigned handles, size_t staged)
{
    struct account **at = &door->accounts;
    while (*at && (*at)->uid != uid)
        at = &(*at)->next;
    struct account *a = *at;
    if (!a)
        return;
    a->handles -= handles;
    a->staged -= staged;
    if (a->handles || a->staged)
        return;
    *at = a->next;
    free(a);
}

static void transaction_free(struct call_door *door, struct transaction *t)
{
    door->staged -= t->length;
    account_take(door, t->uid, 0, t->length);
    free(t);
}

// The handles of a descriptor, taken out of the table one by one.
static struct bound *bound_take(struct call_door *door, uint64_t key, hf_handle handle)
{
    pthread_mutex_lock(&door->mutex);
    struct bound *found = NULL;
    size_t first = handle ? bucket_of((uintptr_t)handle) : 0;
    for (size_t i = first; i < (handle ? first + 1 : BUCKETS) && !found; i++) {
        struct bound **at = &door->handles[i];
        while (*at && ((*at)->key != key || (handle && (*at)->handle != handle)))
            at = &(*at)->next;
        if (*at) {
            found = *at;
            *at = found->next;
            door->handle_count--;
            account_take(door, found->uid, 1, 0);
            struct user *user = user_find(door, key);
            if (user)
                user->handles--;
        }
    }
    pthread_mutex_unlock(&door->mutex);
    return found;
}

static void change_say(struct call_door *door, const struct call_change *change)
{
    if (door->options.changed)
        door->options.changed(door->options.context, change);
}

// The kernel may remember the handle's name, or that there was none.
static void name_changed(struct call_door *door, hf_handle h, char separator, uint64_t node)
{
    char *path = door->options.changed ? malloc(CALL_PATH_SIZE) : NULL;
    struct call_change change = {.node = node};
    if (path && handle_name(door->posix_root, h, separator, path, &change.parent, &change.name))
        change_say(door, &change);
    free(path);
}

// Close a handle; with it may go the file that it deletes.
static void bound_close(struct call_door *door, struct bound *bound)
{
    char *path = bound->doomed && door->options.changed ? malloc(CALL_PATH_SIZE) : NULL;
    struct call_change change = {0};
    bool named = path && handle_name(door->posix_root, bound->handle, bound->separator, path, &change.parent,
                                     &change.name);
    close_handle(bound->handle);
    if (named)
        change_say(door, &change);
    free(path);
    free(bound);
}

void call_forget(struct call_door *door, uint64_t key)
{
    if (door->user_count == 0)
        return;
    pthread_mutex_lock(&door->mutex);
    struct user **at = &door->users[bucket_of(key)];
    while (*at && (*at)->key != key)
        at = &(*at)->next;
    struct user *user = *at;
    if (user) {
        *at = user->next;
        door->user_count--;
        for (struct transaction *t = user->transactions, *next; t; t = next) {
            next = t->next;
            transaction_free(door, t);
        }
    }
    pthread_mutex_unlock(&door->mutex);
    if (!user)
        return;
    close_handle(user->directory);
    struct bound *bound;
    while (user->handles-- > 0 && (bound = bound_take(door, key, NULL)) != NULL)
        bound_close(door, bound);
    free(user);
}

// --- pieces --------------------------------------------------------------------------------------

static struct transaction **transaction_find(struct user *user, uint64_t id)
{
    struct transaction **at = &user->transactions;
    while (*at && (*at)->id != id)
        at = &(*at)->next;
    return at;
}

// Memory for a new transaction, within the bounds; the mutex is held.
static struct transaction *transaction_new(struct call *c, uint32_t length, bool output)
{
    struct call_door *door = c->door;
    struct user *user = user_get(door, c->fd->key);
    if (!user || user->staged == HF_LINUX_TRANSACTIONS_MAX || length > HF_LINUX_STAGED_MAX - door->staged)
        return NULL;
    uint32_t uid = c->rights.caller->uid;
    struct transaction *t = malloc(sizeof *t + length);
    if (!t || !account_add(door, uid, 0, length)) {
        free(t);
        return NULL;
    }
    *t = (struct transaction){
        .id = ++door->last_id, .output = output, .length = length, .uid = uid, .next = user->transactions};
    user->transactions = t;
    user->staged++;
    door->staged += length;
    return t;
}

// Out of its list; the mutex is held.
static void transaction_unlink(struct user *user, struct transaction **at)
{
    *at = (*at)->next;
    user->staged--;
}

// Pieces come in order, so that no byte of the input is ever memory that nobody wrote.
static nt_status piece_stage(struct call *c)
{
    struct hf_linux_call *head = &c->head;
    if (head->in_length > HF_LINUX_BUFFER_MAX)
        return STATUS_INSUFFICIENT_RESOURCES;
    struct user *user = user_find(c->door, c->fd->key);
    struct transaction *t = NULL;
    if (head->transaction)
        t = user ? *transaction_find(user, head->transaction) : NULL;
    else if (head->offset == 0 && head->in_length > 0 && !(t = transaction_new(c, head->in_length, false)))
        return STATUS_INSUFFICIENT_RESOURCES;
    if (!t || t->output || head->in_length != t->length || head->offset != t->present ||
        c->in_length > t->length - t->present)
        return STATUS_INVALID_PARAMETER;
    memcpy(t->data + t->present, c->in, c->in_length);
    t->present += c->in_length;
    head->transaction = t->id;
    return STATUS_SUCCESS;
}

static nt_status piece_fetch(struct call *c)
{
    struct user *user = user_find(c->door, c->fd->key);
    struct transaction **at = user ? transaction_find(user, c->head.transaction) : NULL;
    if (!at || !*at || !(*at)->output || c->head.offset != (*at)->present)
        return STATUS_INVALID_PARAMETER;
    struct transaction *t = *at;
    uint32_t left = t->length - t->present;
    c->done = left < c->out_length ? left : c->out_length;
    memcpy(c->out, t->data + t->present, c->done);
    t->present += (uint32_t)c->done;
    if (t->present == t->length) {
        transaction_unlink(user, at);
        transaction_free(c->door, t);
    }
    return STATUS_SUCCESS;
}

static nt_status piece_drop(struct call *c)
{
    struct user *user = user_find(c->door, c->fd->key);
    struct transaction **at = user ? transaction_find(user, c->head.transaction) : NULL;
    if (!at || !*at)
        return STATUS_INVALID_PARAMETER;
    struct transaction *t = *at;
    transaction_unlink(user, at);
    transaction_free(c->door, t);
    return STATUS_SUCCESS;
}

// The call takes over the input that was staged for it.
static nt_status input_take(struct call *c)
{
    struct transaction *t = NULL;
    pthread_mutex_lock(&c->door->mutex);
    struct user *user = user_find(c->door, c->fd->key);
    struct transaction **at = user ? transaction_find(user, c->head.transaction) : NULL;
    if (at && *at && !(*at)->output && (*at)->present == (*at)->length) {
        t = *at;
        transaction_unlink(user, at);
    }
    pthread_mutex_unlock(&c->door->mutex);
    if (!t)
        return STATUS_INVALID_PARAMETER;
    c->input = t;
    c->in = t->data;
    c->in_length = t->length;
    return STATUS_SUCCESS;
}

// What does not fit into the answer is kept until it is fetched.
static nt_status output_keep(struct call *c, size_t room)
{
    pthread_mutex_lock(&c->door->mutex);
    struct transaction *t = transaction_new(c, (uint32_t)c->done, true);
    if (t) {
        memcpy(t->data, c->out, c->done);
        t->present = (uint32_t)room;
        c->head.transaction = t->id;
    }
    pthread_mutex_unlock(&c->door->mutex);
    return t ? STATUS_SUCCESS : STATUS_INSUFFICIENT_RESOURCES;
}

// --- handles -------------------------------------------------------------------------------------

static nt_status bound_add(struct call *c, const struct bound *what)
{
    struct call_door *door = c->door;
    struct bound *bound = malloc(sizeof *bound);
    uint32_t uid = c->rights.caller->uid;
    pthread_mutex_lock(&door->mutex);
    struct user *user = bound && door->handle_count < HANDLES_MAX ? user_get(door, c->fd->key) : NULL;
    if (user && !account_add(door, uid, 1, 0))
        user = NULL;
    if (user) {
        struct bound **bucket = &door->handles[bucket_of((uintptr_t)what->handle)];
        *bound = *what;
        bound->next = *bucket;
        bound->key = c->fd->key;
        bound->uid = uid;
        *bucket = bound;
        user->handles++;
        door->handle_count++;
    }
    pthread_mutex_unlock(&door->mutex);
    if (user)
        return STATUS_SUCCESS;
    free(bound);
    return STATUS_INSUFFICIENT_RESOURCES;
}

// What is known of a handle that this descriptor opened; INVALID_HANDLE. doom: note that it is deleted (1),
// or not (0); -1: leave that.
static nt_status bound_find(struct call *c, uint64_t value, int doom, struct bound *out)
{
    pthread_mutex_lock(&c->door->mutex);
    struct bound *bound = c->door->handles[bucket_of(value)];
    while (bound && ((uintptr_t)bound->handle != value || bound->key != c->fd->key))
        bound = bound->next;
    if (bound && doom >= 0)
        bound->doomed = doom;
    if (bound)
        *out = *bound;
    pthread_mutex_unlock(&c->door->mutex);
    return bound ? STATUS_SUCCESS : STATUS_INVALID_HANDLE;
}

// A directory's descriptor can only read; what the caller may do to the directory itself decides instead. The
// handle is kept with the descriptor, and opened again when a caller with other rights comes.
static nt_status directory_handle(struct call *c, hf_handle *out)
{
    uint32_t access = FILE_ALL_ACCESS;
    nt_status status = STATUS_SUCCESS;
    if (!rights_all(&c->rights))
        status = rights_of(&c->rights, c->fd->node, &access);
    if (status != STATUS_SUCCESS)
        return status;
    hf_handle fresh = NULL, old = NULL;
    pthread_mutex_lock(&c->door->mutex);
    struct user *user = user_get(c->door, c->fd->key);
    *out = user && user->directory_access == access ? user->directory : NULL;
    pthread_mutex_unlock(&c->door->mutex);
    if (*out)
        return STATUS_SUCCESS;
    status = hf_node_open(c->door->posix_root, c->fd->node, access, &fresh);
    if (status != STATUS_SUCCESS)
        return status;
    pthread_mutex_lock(&c->door->mutex);
    user = user_get(c->door, c->fd->key);
    if (user) {
        old = user->directory;
        user->directory = fresh;
        user->directory_access = access;
    } else {
        old = fresh;
    }
    pthread_mutex_unlock(&c->door->mutex);
    close_handle(old);
    *out = fresh;
    return user ? STATUS_SUCCESS : STATUS_NO_MEMORY;
}

// The handle that a call is for, with its node.
static nt_status handle_of(struct call *c, struct bound *bound)
{
    if (c->head.handle)
        return bound_find(c, c->head.handle, -1, bound);
    *bound = (struct bound){.handle = c->fd->file, .node = c->fd->node, .separator = '/'};
    return c->fd->directory ? directory_handle(c, &bound->handle) : STATUS_SUCCESS;
}

static void data_changed(struct call *c, const struct bound *bound, bool data)
{
    if (!bound->volume)
        change_say(c->door, &(struct call_change){.node = bound->node, .data = data});
}

// What the bytes of a file could give whoever runs it goes with them.
static nt_status writes(struct call *c, uint64_t node)
{
    const struct call_options *o = &c->door->options;
    return o->writes && node ? o->writes(o->context, node, c->rights.caller->uid == 0) : STATUS_SUCCESS;
}

// --- opening -------------------------------------------------------------------------------------

// One open request, while it is served.
struct opening {
    struct hf_linux_open ask;
    struct hf_open_options options;
    hf_handle base; // a handle of ours on the descriptor's directory; NULL: none was needed
    char separator;
    bool volume;
    uint32_t action;
};

static nt_status opened_answer(struct call *c, const struct opening *o, hf_handle h)
{
    struct hf_linux_opened answer = {.handle = (uintptr_t)h};
    struct hf_attr attr = {0};
    if (c->out_length < sizeof answer)
        return STATUS_BUFFER_TOO_SMALL;
    // Nothing is known of a volume. What a file is may be told without the right to ask through this handle.
    nt_status status = o->volume ? STATUS_SUCCESS : handle_node(h, &answer.node);
    if (status == STATUS_SUCCESS && !o->volume)
        status = hf_node_get(c->door->posix_root, answer.node, &attr);
    if (status != STATUS_SUCCESS)
        return status;
    answer.attributes = attr.attributes;
    answer.reparse_tag = attr.reparse_tag;
    memcpy(c->out, &answer, sizeof answer);
    c->done = sizeof answer;
    c->head.information = o->action;
    if (o->ask.flags & HF_LINUX_OPEN_PATH) {
        char *path = (char *)c->out + sizeof answer;
        size_t room = c->out_length - sizeof answer;
        if (room > 0 && hf_path(h, path, room) == STATUS_SUCCESS)
            c->done += strlen(path);
    }
    return bound_add(c, &(struct bound){.handle = h,
                                        .node = answer.node,
                                        .volume = o->volume,
                                        .separator = o->separator,
                                        .doomed = o->ask.options & FILE_DELETE_ON_CLOSE});
}

// Its owner is who made it. What rights_open creates has one already.
static void owner_set(struct call *c, uint64_t node, bool directory, uint32_t umask)
{
    struct hf_attr attr;
    if (hf_node_get(c->door->posix_root, node, &attr) != STATUS_SUCCESS || !(attr.mode & HF_MODE_UNSET))
        return;
    attr.mode = (directory ? 0777u : 0666u) & ~umask;
    attr.uid = c->rights.caller->uid;
    attr.gid = c->rights.caller->gid;
    nt_status status =
        hf_node_set(c->door->posix_root, node, HF_ATTR_MODE | HF_ATTR_UID | HF_ATTR_GID, &attr);
    (void)status; // it is there and open; without an owner it is root's
}

static nt_status open_stopped(struct call *c, const struct hf_stopped *stopped)
{
    struct hf_linux_stopped answer = {.consumed = stopped->consumed,
                                      .parent = stopped->parent,
                                      .directory = stopped->directory,
                                      .length = stopped->length};
    if (c->out_length < sizeof answer + stopped->length)
        return STATUS_BUFFER_TOO_SMALL;
    memcpy(c->out, &answer, sizeof answer);
    memcpy(c->out + sizeof answer, stopped->buffer, stopped->length);
    c->done = sizeof answer + stopped->length;
    return STATUS_STOPPED_ON_SYMLINK;
}

// A path that holds what its spelling says and nothing else, ended by NUL.
static char *path_copy(const struct call *c, size_t at)
{
    size_t length = c->in_length - at;
    if (memchr(c->in + at, 0, length))
        return NULL;
    char *path = malloc(length + 1);
    if (path) {
        memcpy(path, c->in + at, length);
        path[length] = 0;
    }
    return path;
}

// Whoever sees only a part of the volume reaches nothing outside it by a number.
static nt_status inside_check(struct call *c, hf_handle h)
{
    if (c->fd->node == HF_NODE_ROOT)
        return STATUS_SUCCESS;
    char *above = malloc(CALL_PATH_SIZE), *path = malloc(CALL_PATH_SIZE);
    nt_status status = above && path ? hf_node_path(c->door->posix_root, c->fd->node, above, CALL_PATH_SIZE)
                                     : STATUS_NO_MEMORY;
    if (status == STATUS_SUCCESS)
        status = hf_path(h, path, CALL_PATH_SIZE);
    size_t length = status == STATUS_SUCCESS ? strlen(above) : 0;
    if (status == STATUS_SUCCESS &&
        (strncmp(path, above, length) != 0 || (path[length] && path[length] != '/')))
        status = STATUS_ACCESS_DENIED;
    free(above);
    free(path);
    return status;
}

// Only who may do everything.
static nt_status open_by_number(struct call *c, const char *number, const struct hf_open_options *options,
                                hf_handle *h)
{
    if (!rights_all(&c->rights))
        return STATUS_ACCESS_DENIED;
    struct hf_open_options look = {.root = options->root, .options = FILE_OPEN_BY_FILE_ID};
    look.options |= FILE_OPEN_REPARSE_POINT;
    nt_status status = hf_open(number, &look, h);
    if (status != STATUS_SUCCESS)
        return hf_open(number, options, h); // which says best what is wrong
    status = inside_check(c, *h);
    close_handle(*h);
    *h = NULL;
    return status == STATUS_SUCCESS ? hf_open(number, options, h) : status;
}

static nt_status open_path(struct call *c, const struct opening *o, char *path, hf_handle *h)
{
    const struct hf_open_options *options = &o->options;
    bool parent = o->ask.flags & HF_LINUX_OPEN_PARENT;
    bool finds = options->disposition == FILE_OPEN || options->disposition == FILE_OVERWRITE;
    if (o->volume) {
        struct hf_open_options volume = *options;
        volume.root = NULL;
        volume.stopped = NULL;
        if (!rights_all(&c->rights) || c->fd->node != HF_NODE_ROOT)
            return STATUS_ACCESS_DENIED;
        return *path ? STATUS_INVALID_PARAMETER : hf_open(c->door->volume_name, &volume, h);
    }
    if (options->options & FILE_OPEN_BY_FILE_ID)
        return open_by_number(c, path, options, h);
    if (!rights_all(&c->rights) || (!finds && !parent))
        return rights_open(&c->rights, options->root, path, o->separator, parent, o->ask.umask, options, h);
    if (parent) {
        char *last = strrchr(path, o->separator);
        if (!*path)
            return STATUS_OBJECT_NAME_INVALID;
        *(last ? last : path) = 0;
    }
    return hf_open(path, options, h);
}

static void open_changed(struct call *c, const struct opening *o, hf_handle h)
{
    struct hf_linux_opened opened;
    memcpy(&opened, c->out, sizeof opened);
    if (o->action == FILE_CREATED) {
        if (opened.node)
            owner_set(c, opened.node, opened.attributes & FILE_ATTRIBUTE_DIRECTORY, o->ask.umask & 0777);
        name_changed(c->door, h, o->separator, 0);
    } else if (o->action != FILE_OPENED || o->ask.disposition == FILE_SUPERSEDE) {
        (void)writes(c, opened.node);
        change_say(c->door, &(struct call_change){.node = opened.node, .data = true});
    }
}

// Where the path begins: at a handle, or at the descriptor's directory.
static nt_status open_base(struct call *c, struct opening *o)
{
    struct bound related = {0};
    o->separator = o->ask.flags & HF_LINUX_OPEN_WINDOWS ? '\\' : '/';
    o->volume = o->ask.flags & HF_LINUX_OPEN_VOLUME;
    hf_handle root = o->separator == '\\' ? c->door->windows_root : c->door->posix_root;
    o->options.root = root;
    if (o->ask.related) {
        nt_status status = bound_find(c, o->ask.related, -1, &related);
        o->options.root = related.handle;
        o->separator = related.separator; // which decides how a name below it is read
        return status;
    }
    if (!c->fd->directory)
        return STATUS_ACCESS_DENIED;
    if (c->fd->node == HF_NODE_ROOT)
        return STATUS_SUCCESS;
    char number[24];
    snprintf(number, sizeof number, "%llu", (unsigned long long)c->fd->node);
    struct hf_open_options by_number = {.root = root, .options = FILE_OPEN_BY_FILE_ID | FILE_DIRECTORY_FILE};
    nt_status status = hf_open(number, &by_number, &o->base);
    o->options.root = o->base;
    return status;
}

static nt_status serve_open(struct call *c)
{
    struct opening o = {0};
    unsigned char *buffer;
    hf_handle h = NULL;
    if (c->in_length < sizeof o.ask)
        return STATUS_INFO_LENGTH_MISMATCH;
    memcpy(&o.ask, c->in, sizeof o.ask);
    struct hf_stopped stopped = {0};
    o.options = (struct hf_open_options){
        .access = o.ask.access,
        .share = o.ask.share ? o.ask.share : HF_SHARE_NONE,
        .disposition = o.ask.disposition ? o.ask.disposition : HF_SUPERSEDE,
        .options = o.ask.options,
        .attributes = o.ask.attributes,
        .action = &o.action,
        .stopped = &stopped,
    };
    nt_status status = open_base(c, &o);
    if (status != STATUS_SUCCESS)
        return status;
    char *path = path_copy(c, sizeof o.ask);
    stopped.buffer = buffer = malloc(MAXIMUM_REPARSE_DATA_BUFFER_SIZE);
    status = !path || !buffer ? STATUS_OBJECT_NAME_INVALID : open_path(c, &o, path, &h);
    if (status == STATUS_SUCCESS)
        status = opened_answer(c, &o, h);
    else if (status == STATUS_STOPPED_ON_SYMLINK)
        status = open_stopped(c, &stopped);
    if (status == STATUS_SUCCESS)
        open_changed(c, &o, h);
    else
        close_handle(h);
    close_handle(o.base);
    free(path);
    free(buffer);
    return status;
}

static nt_status serve_close(struct call *c)
{
    struct bound *bound =
        c->head.handle ? bound_take(c->door, c->fd->key, (hf_handle)(uintptr_t)c->head.handle) : NULL;
    if (!bound)
        return STATUS_INVALID_HANDLE;
    bound_close(c->door, bound);
    return STATUS_SUCCESS;
}

// --- requests ------------------------------------------------------------------------------------

static nt_status serve_hello(struct call *c)
{
    struct hf_linux_hello hello = {
        .node = c->fd->node, .privileged = rights_all(&c->rights), .readonly = c->door->options.readonly};
    if (c->out_length < sizeof hello)
        return STATUS_BUFFER_TOO_SMALL;
    memcpy(c->out, &hello, sizeof hello);
    c->done = sizeof hello;
    return STATUS_SUCCESS;
}

static bool is_reparse_change(uint32_t code)
{
    return code == FSCTL_SET_REPARSE_POINT || code == FSCTL_SET_REPARSE_POINT_EX ||
           code == FSCTL_DELETE_REPARSE_POINT;
}

static bool changes_file(uint32_t code)
{
    return is_reparse_change(code) || code == FSCTL_SET_SPARSE ||
           (DEVICE_TYPE_FROM_CTL_CODE(code) == FILE_DEVICE_FILE_SYSTEM &&
            ACCESS_FROM_CTL_CODE(code) & FILE_WRITE_ACCESS);
}

static nt_status control_allowed(struct call *c, const struct bound *bound, uint32_t code)
{
    // Of SET_REPARSE_POINT_EX, before the buffer as the other codes have it.
    enum { EX_HEAD = offsetof(REPARSE_DATA_BUFFER_EX, u) };
    if (code == FSCTL_DISMOUNT_VOLUME) // umount does that
        return STATUS_ACCESS_DENIED;
    if (!is_reparse_change(code))
        return changes_file(code) && !bound->volume ? writes(c, bound->node) : STATUS_SUCCESS;
    size_t head = code == FSCTL_SET_REPARSE_POINT_EX ? EX_HEAD : 0;
    head = head < c->in_length ? head : c->in_length;
    return rights_retype(&c->rights, bound->node, c->in + head, c->in_length - head);
}

// A clone names its source by a handle, and any number could be one of the mount's own: only those that this
// descriptor opened are let through.
static const void *source_check(struct call *c, uint32_t code, unsigned char *copy)
{
    struct bound source;
    uint64_t handle;
    bool extended = code == FSCTL_DUPLICATE_EXTENTS_TO_FILE_EX;
    size_t at = extended ? offsetof(DUPLICATE_EXTENTS_DATA_EX, FileHandle)
                         : offsetof(DUPLICATE_EXTENTS_DATA, FileHandle);
    if ((code != FSCTL_DUPLICATE_EXTENTS_TO_FILE && !extended) || c->in_length < at + sizeof handle)
        return c->in_length ? c->in : NULL;
    if (c->in_length > sizeof(DUPLICATE_EXTENTS_DATA_EX))
        c->in_length = sizeof(DUPLICATE_EXTENTS_DATA_EX);
    memcpy(copy, c->in, c->in_length);
    memcpy(&handle, copy + at, sizeof handle);
    if (bound_find(c, handle, -1, &source) != STATUS_SUCCESS)
        memset(copy + at, 0, sizeof handle);
    return copy;
}

static nt_status serve_control(struct call *c)
{
    struct bound bound;
    unsigned char copy[sizeof(DUPLICATE_EXTENTS_DATA_EX)];
    uint32_t code = c->head.code;
    nt_status status = handle_of(c, &bound);
    if (status == STATUS_SUCCESS)
        status = control_allowed(c, &bound, code);
    if (status != STATUS_SUCCESS)
        return status;
    const void *in = source_check(c, code, copy);
    status = hf_ioctl(bound.handle, code, in, c->in_length, c->out_length ? c->out : NULL, c->out_length,
                      &c->done);
    if (changes_file(code) && !HF_STATUS_IS_ERROR(status)) {
        data_changed(c, &bound, true);
        if (is_reparse_change(code))
            name_changed(c->door, bound.handle, bound.separator, bound.node);
    }
    return status;
}

// A lock here keeps others from the data, Linux programs too: for those who may write the file.
static bool lock_allowed(struct call *c, const struct bound *bound)
{
    uint32_t access;
    return rights_all(&c->rights) ||
           (rights_of(&c->rights, bound->node, &access) == STATUS_SUCCESS && access & FILE_WRITE_DATA);
}

static nt_status serve_data(struct call *c)
{
    struct bound bound;
    size_t written = 0;
    // Not the descriptor's own file: the kernel has it read where a program may only write.
    nt_status status = bound_find(c, c->head.handle, -1, &bound);
    if (status != STATUS_SUCCESS)
        return status;
    switch (c->head.op) {
    case HF_LINUX_READ:
        return hf_read(bound.handle, c->head.offset, c->out, c->out_length, &c->done);
    case HF_LINUX_WRITE:
        status = writes(c, bound.node);
        if (status != STATUS_SUCCESS)
            return status;
        status = hf_write(bound.handle, c->head.offset, c->in, c->in_length, &written);
        c->head.information = (uint32_t)written;
        if (written)
            data_changed(c, &bound, true);
        return status;
    case HF_LINUX_FLUSH:
        return hf_flush(bound.handle);
    case HF_LINUX_LOCK: {
        bool exclusive = c->head.flags & HF_LINUX_EXCLUSIVE;
        if (!lock_allowed(c, &bound))
            return STATUS_ACCESS_DENIED;
        return hf_lock(bound.handle, c->head.offset, c->head.extra, exclusive, false);
    }
    case HF_LINUX_UNLOCK:
    default:
        return hf_unlock(bound.handle, c->head.offset, c->head.extra);
    }
}

static nt_status set_allowed(struct call *c, const struct bound *bound, uint32_t class_)
{
    uint32_t access;
    switch (class_) {
    case FileDispositionInformation:
    case FileDispositionInformationEx:
        return rights_name(&c->rights, bound->handle, bound->separator, bound->node);
    case FileEndOfFileInformation:
    case FileAllocationInformation:
        return writes(c, bound->node);
    case FileBasicInformation: { // times and attributes: the owner's business
        nt_status status = rights_of(&c->rights, bound->node, &access);
        return status != STATUS_SUCCESS || access & WRITE_DAC ? status : STATUS_ACCESS_DENIED;
    }
    default:
        return STATUS_SUCCESS;
    }
}

static nt_status set_information(struct call *c, const struct bound *bound)
{
    uint32_t class_ = c->head.code;
    nt_status status = set_allowed(c, bound, class_);
    if (status == STATUS_SUCCESS)
        status = hf_set(bound->handle, class_, c->in, c->in_length);
    if (status != STATUS_SUCCESS)
        return status;
    if ((class_ == FileDispositionInformation || class_ == FileDispositionInformationEx) &&
        c->in_length > 0) {
        struct bound again;
        status = bound_find(c, c->head.handle, c->in[0] & 1, &again);
        name_changed(c->door, bound->handle, bound->separator, 0);
        return status == STATUS_INVALID_HANDLE ? STATUS_SUCCESS : status;
    }
    data_changed(c, bound, class_ == FileEndOfFileInformation || class_ == FileAllocationInformation);
    return STATUS_SUCCESS;
}

static nt_status serve_information(struct call *c)
{
    struct bound bound;
    nt_status status = handle_of(c, &bound);
    if (status != STATUS_SUCCESS)
        return status;
    if (c->head.op == HF_LINUX_QUERY)
        return hf_query(bound.handle, c->head.code, c->out, c->out_length, &c->done);
    if (c->head.op == HF_LINUX_QUERY_VOLUME)
        return hf_query_volume(bound.handle, c->head.code, c->out, c->out_length, &c->done);
    if (c->head.op == HF_LINUX_SET)
        return set_information(c, &bound);
    if (!rights_all(&c->rights))
        return STATUS_ACCESS_DENIED;
    char *label = path_copy(c, 0);
    status = label ? hf_set_label(bound.handle, label) : STATUS_INVALID_PARAMETER;
    free(label);
    return status;
}

static nt_status serve_list(struct call *c)
{
    struct bound bound;
    nt_status status = handle_of(c, &bound);
    if (status != STATUS_SUCCESS)
        return status;
    char *pattern = path_copy(c, 0);
    if (!pattern)
        return STATUS_OBJECT_NAME_INVALID;
    status = hf_query_directory(bound.handle, c->head.code, *pattern ? pattern : NULL,
                                c->head.flags & HF_LINUX_RESTART, c->head.flags & HF_LINUX_SINGLE, c->out,
                                c->out_length, &c->done);
    free(pattern);
    return status;
}

static nt_status serve_name(struct call *c)
{
    struct bound bound, directory;
    struct hf_linux_target target;
    if (c->in_length < sizeof target)
        return STATUS_INFO_LENGTH_MISMATCH;
    memcpy(&target, c->in, sizeof target);
    nt_status status = bound_find(c, c->head.handle, -1, &bound);
    if (status == STATUS_SUCCESS)
        status = bound_find(c, target.directory, -1, &directory);
    if (status != STATUS_SUCCESS)
        return status;
    char *name = path_copy(c, sizeof target);
    if (!name || strchr(name, directory.separator)) { // one component: no way to elsewhere
        free(name);
        return STATUS_OBJECT_NAME_INVALID;
    }
    struct call_change to = {.node = bound.node, .parent = directory.node, .name = name}, from = {0};
    char *path = malloc(CALL_PATH_SIZE);
    bool renames = c->head.op == HF_LINUX_RENAME;
    bool named =
        renames && path &&
        handle_name(c->door->posix_root, bound.handle, bound.separator, path, &from.parent, &from.name);
    status = renames ? rights_name(&c->rights, bound.handle, bound.separator, bound.node)
                     : rights_link(&c->rights, bound.node);
    if (status == STATUS_SUCCESS)
        status = rights_new_name(&c->rights, bound.node, directory.node, name, &target.flags);
    if (status == STATUS_SUCCESS)
        status = renames ? hf_rename(bound.handle, directory.handle, name, target.flags)
                         : hf_link(bound.handle, directory.handle, name, target.flags);
    if (status == STATUS_SUCCESS) {
        if (named)
            change_say(c->door, &from);
        change_say(c->door, &to);
    }
    free(path);
    free(name);
    return status;
}

// --- messages ------------------------------------------------------------------------------------

typedef nt_status serve_fn(struct call *c);

static serve_fn *const served[] = {
    [HF_LINUX_CONTROL] = serve_control,
    [HF_LINUX_HELLO] = serve_hello,
    [HF_LINUX_OPEN] = serve_open,
    [HF_LINUX_CLOSE] = serve_close,
    [HF_LINUX_READ] = serve_data,
    [HF_LINUX_WRITE] = serve_data,
    [HF_LINUX_FLUSH] = serve_data,
    [HF_LINUX_QUERY] = serve_information,
    [HF_LINUX_SET] = serve_information,
    [HF_LINUX_QUERY_VOLUME] = serve_information,
    [HF_LINUX_SET_LABEL] = serve_information,
    [HF_LINUX_RENAME] = serve_name,
    [HF_LINUX_LINK] = serve_name,
    [HF_LINUX_LIST] = serve_list,
    [HF_LINUX_LOCK] = serve_data,
    [HF_LINUX_UNLOCK] = serve_data,
};

static nt_status serve_piece(struct call *c)
{
    nt_status status;
    pthread_mutex_lock(&c->door->mutex);
    if (c->head.op == HF_LINUX_STAGE)
        status = piece_stage(c);
    else if (c->head.op == HF_LINUX_FETCH)
        status = piece_fetch(c);
    else
        status = piece_drop(c);
    pthread_mutex_unlock(&c->door->mutex);
    return status;
}

static nt_status serve(struct call *c)
{
    uint16_t op = c->head.op;
    if (c->head.version != HF_LINUX_VERSION)
        return STATUS_NOT_SUPPORTED;
    if (op == HF_LINUX_STAGE || op == HF_LINUX_FETCH || op == HF_LINUX_DROP)
        return serve_piece(c);
    if (op >= sizeof served / sizeof served[0] || !served[op])
        return STATUS_INVALID_DEVICE_REQUEST;
    if (c->head.transaction) {
        nt_status status = input_take(c);
        if (status != STATUS_SUCCESS)
            return status;
    }
    c->head.transaction = 0;
    c->head.information = 0;
    return served[op](c);
}

// Copy the output, or what says more about the failure, behind the answer's head.
static void answer(struct call *c, nt_status status, unsigned char *out, size_t room)
{
    if (!HF_STATUS_IS_ERROR(status) && c->done > room) {
        nt_status kept = output_keep(c, room);
        status = kept == STATUS_SUCCESS ? status : kept;
    }
    size_t length = c->done < room ? c->done : room;
    if (HF_STATUS_IS_ERROR(status)) {
        const char *text = hf_error_text();
        length = strlen(text) < room ? strlen(text) : room;
        memcpy(out, text, length);
        c->done = 0;
    } else if (c->out != out) {
        memcpy(out, c->out, length);
    }
    c->head.status = (uint32_t)status;
    c->head.length = (uint32_t)length;
    c->head.out_length = (uint32_t)c->done;
}

int call_serve(struct call_door *door, const struct call_caller *caller, const struct call_fd *fd,
               const void *in, size_t in_size, void *out, size_t out_size, size_t *used)
{
    struct call c = {.door = door,
                     .fd = fd,
                     .rights = {.volume = door->posix_root, .options = &door->options, .caller = caller}};
    const size_t head = sizeof c.head;
    unsigned char *reply = out;
    *used = 0;
    if (in_size < head || out_size < head)
        return EINVAL;
    memcpy(&c.head, in, head);
    if (c.head.magic != HF_LINUX_MAGIC || c.head.length > in_size - head)
        return EINVAL;
    c.in = (const unsigned char *)in + head;
    c.in_length = c.head.length;
    c.out_length = c.head.out_length < HF_LINUX_BUFFER_MAX ? c.head.out_length : HF_LINUX_BUFFER_MAX;
    c.out = reply + head;
    unsigned char *large = NULL;
    if (c.out_length > out_size - head && c.head.op == HF_LINUX_FETCH)
        c.out_length = (uint32_t)(out_size - head);
    else if (c.out_length > out_size - head)
        c.out = large = calloc(1, c.out_length);
    // Windows' privileges belong to processes, and the caller is not this one.
    uint32_t before = hf_limit_privileges(c.head.privileges);
    nt_status status = c.out ? serve(&c) : STATUS_NO_MEMORY;
    answer(&c, status, reply + head, out_size - head);
    memcpy(reply, &c.head, head);
    *used = head + c.head.length;
    hf_limit_privileges(before);
    free(large);
    if (c.input) {
        pthread_mutex_lock(&door->mutex);
        transaction_free(door, c.input);
        pthread_mutex_unlock(&door->mutex);
    }
    return 0;
}

nt_status call_set_integrity(struct call_door *door, const struct call_caller *caller,
                             const struct call_fd *fd)
{
    struct call c = {.door = door,
                     .fd = fd,
                     .rights = {.volume = door->posix_root, .options = &door->options, .caller = caller}};
    FSCTL_SET_INTEGRITY_INFORMATION_BUFFER set = {.ChecksumAlgorithm = CHECKSUM_TYPE_UNCHANGED};
    struct bound bound;
    nt_status status = handle_of(&c, &bound);
    return status == STATUS_SUCCESS
               ? hf_ioctl(bound.handle, FSCTL_SET_INTEGRITY_INFORMATION, &set, sizeof set, NULL, 0, &c.done)
               : status;
}

nt_status call_may_retype(struct call_door *door, const struct call_caller *caller, uint64_t node,
                          const void *buffer, size_t length)
{
    struct rights rights = {.volume = door->posix_root, .options = &door->options, .caller = caller};
    return rights_retype(&rights, node, buffer, length);
}

uint64_t call_data_node(struct call_door *door, const struct call_fd *fd, const void *in, size_t in_size)
{
    struct hf_linux_call head;
    struct bound bound = {.node = fd->directory ? 0 : fd->node};
    if (in_size < sizeof head)
        return 0;
    memcpy(&head, in, sizeof head);
    if (head.op != HF_LINUX_CONTROL && head.op != HF_LINUX_QUERY && head.op != HF_LINUX_SET)
        return 0;
    struct call c = {.door = door, .fd = fd};
    if (head.handle && bound_find(&c, head.handle, -1, &bound) != STATUS_SUCCESS)
        return 0;
    return bound.node;
}
