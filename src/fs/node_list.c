// SPDX-License-Identifier: Apache-2.0
// Listings for POSIX callers, which go on behind any entry that was given, on any handle (docs/adr/0015).
//
// The cookie of an entry is the number of its file and a hash of its folded name. The name, and with it the
// place in the directory, is found again in the file's own link records. When the entry has gone meanwhile,
// the open directory still knows where the last 2,000 entries or so that it gave were; without that the
// listing begins again: an entry may be seen twice, but none is missed.
#include "fs/node.h"

enum {
    ENTRY_ALIGN = 8,
    NAME_AT = offsetof(struct hf_node_entry, name),
    COOKIE_DOT = 1,
    COOKIE_DOTDOT = 2,
    HASH_BITS = 16,
    ID_BITS = 63 - HASH_BITS, // a cookie is a positive off_t
    RUN_ENTRIES = 256,
    RUNS = 8,
};

// Entries that were given one after another, from behind `start` on.
struct run {
    u32 count;
    u64 cookies[RUN_ENTRIES];
    struct dir_position start;
};

// What an open directory remembers; under scb.mutex.
struct given {
    u64 cookie; // of the last entry
    struct dir_position position;
    u32 current, used; // runs
    struct run runs[RUNS];
};

struct listing {
    struct vcb *vcb;
    struct ccb *ccb;
    u64 dir;
    u32 flags;
    u8 dots; // of "." and "..", how many are behind us
    struct dir_position position;
};

static void copy_position(struct dir_position *to, const struct dir_position *from)
{
    to->key_len = from->key_len;
    memcpy(to->key, from->key, from->key_len);
}

// --- cookies -------------------------------------------------------------------------------------

// FNV-1a, folded: never to change, for cookies outlive a mount.
static u32 hash_of(struct str folded)
{
    u32 h = 2166136261u;
    for (u32 i = 0; i < folded.len; i++)
        h = (h ^ (u8)folded.p[i]) * 16777619u;
    return (h >> HASH_BITS) ^ (h & ((1u << HASH_BITS) - 1));
}

static u64 cookie_of(u64 id, struct str folded)
{
    return id << HASH_BITS | hash_of(folded);
}

// Of the entry that this is the place behind.
static u64 cookie_before(u64 id, const struct dir_position *position)
{
    return cookie_of(id, (struct str){position->key, position->key_len});
}

// The place behind the entry with this cookie, if it is still there. Of several names of one file with the
// same hash the first, so that nothing is missed.
static nt_status find_entry(struct listing *l, u64 cookie, bool *found)
{
    struct store *store = l->vcb->store;
    struct link_position position = {.key_len = 0};
    struct dirent name;
    u64 id = cookie >> HASH_BITS;
    *found = false;
    for (;;) {
        nt_status status = link_next_in(store, id, l->dir, &position, &name);
        if (status == STATUS_NO_MORE_FILES)
            return STATUS_SUCCESS;
        TRY(status);
        TRY(dir_position_after(store, l->dir, (struct str){name.name, name.name_len}, &l->position));
        *found = cookie_before(id, &l->position) == cookie;
        if (*found)
            return STATUS_SUCCESS;
    }
}

// Behind those of the run's first `count` entries that are still there, up to one that is not of the run.
static nt_status skip_given(struct listing *l, const struct run *run, u32 count)
{
    struct dir_position next;
    struct dirent entry;
    copy_position(&next, &run->start);
    for (u32 i = 0;; i++) {
        copy_position(&l->position, &next);
        nt_status status = dirent_next(l->vcb->store, l->dir, &next, &entry);
        if (status == STATUS_NO_MORE_FILES)
            return STATUS_SUCCESS;
        TRY(status);
        u64 cookie = cookie_before(entry.id, &next);
        while (i < count && run->cookies[i] != cookie)
            i++;
        if (i == count)
            return STATUS_SUCCESS;
    }
}

// The entry has gone: go on in the newest run that has it. scb.mutex is held.
static nt_status find_run(struct listing *l, u64 cookie)
{
    const struct given *given = l->ccb->given;
    for (u32 n = 0; given && n < given->used; n++) {
        const struct run *run = &given->runs[(given->current + RUNS - n) % RUNS];
        for (u32 i = 0; i < run->count; i++)
            if (run->cookies[i] == cookie)
                return skip_given(l, run, i + 1);
    }
    l->position.key_len = 0;
    return STATUS_SUCCESS;
}

static bool find_last(struct listing *l, u64 cookie)
{
    SCOPE_LOCK(&l->ccb->scb->mutex);
    const struct given *given = l->ccb->given;
    if (!given || given->cookie != cookie)
        return false;
    copy_position(&l->position, &given->position);
    return true;
}

static nt_status resume(struct listing *l, u64 cookie)
{
    bool found;
    l->position.key_len = 0;
    l->dots = (u8)MIN(cookie, (u64)COOKIE_DOTDOT);
    if (cookie <= COOKIE_DOTDOT || find_last(l, cookie))
        return STATUS_SUCCESS;
    TRY(find_entry(l, cookie, &found));
    if (found)
        return STATUS_SUCCESS;
    SCOPE_LOCK(&l->ccb->scb->mutex);
    return find_run(l, cookie);
}

// --- what was given ------------------------------------------------------------------------------

static void begin_run(struct given *given, const struct dir_position *start)
{
    if (given->used) // else the first one is current already
        given->current = (given->current + 1) % RUNS;
    given->used += given->used < RUNS;
    given->runs[given->current].count = 0;
    copy_position(&given->runs[given->current].start, start);
}

static nt_status note(const struct listing *l, struct given *given, const struct hf_node_entry *e,
                      struct str name)
{
    if (e->cookie <= COOKIE_DOTDOT)
        return STATUS_SUCCESS;
    if (given->runs[given->current].count == RUN_ENTRIES)
        begin_run(given, &given->position);
    struct run *run = &given->runs[given->current];
    run->cookies[run->count++] = e->cookie;
    given->cookie = e->cookie;
    return run->count == RUN_ENTRIES || !e->next
               ? dir_position_after(l->vcb->store, l->dir, name, &given->position)
               : STATUS_SUCCESS;
}

// Entries lie in out; the listing had begun behind `start` with this cookie. Without memory nothing is
// remembered.
static nt_status remember(const struct listing *l, u64 cookie, const struct dir_position *start,
                          const u8 *out)
{
    SCOPE_LOCK(&l->ccb->scb->mutex);
    struct given *given = l->ccb->given;
    if (!given) {
        given = malloc(sizeof *given);
        if (!given)
            return STATUS_SUCCESS;
        given->used = given->current = 0;
        given->cookie = 0;
        l->ccb->given = given;
    }
    if (!given->used || given->cookie != cookie)
        begin_run(given, start);
    struct hf_node_entry e = {.next = 0};
    do {
        enum { AT = offsetof(struct hf_node_entry, cookie) };
        out += e.next;
        memcpy((u8 *)&e + AT, out + AT, NAME_AT - AT);
        TRY(note(l, given, &e, (struct str){(const char *)out + NAME_AT, e.name_length}));
    } while (e.next);
    return STATUS_SUCCESS;
}

// --- entries -------------------------------------------------------------------------------------

// Entries in the caller's memory.
struct output {
    u8 *p;
    size_t length;
    size_t last; // where the last entry begins
    size_t used; // where it ends; 0: there is none
    bool open;   // what some of them name is still to be looked at
};

static void set_next(const struct output *o, size_t entry, size_t to)
{
    u32 distance = (u32)(to - entry);
    memcpy(o->p + entry + offsetof(struct hf_node_entry, next), &distance, sizeof distance);
}

static bool put(struct output *o, const struct hf_attr *attr, u64 cookie, struct str name)
{
    size_t at = align_up(o->used, ENTRY_ALIGN), size = NAME_AT + name.len + 1;
    struct hf_node_entry e;
    if (at > o->length || size > o->length - at)
        return false;
    e.attr = *attr;
    e.cookie = cookie;
    e.next = 0;
    e.name_length = (u16)name.len;
    memcpy(o->p + at, &e, NAME_AT);
    memcpy(o->p + at + NAME_AT, name.p, name.len);
    o->p[at + size - 1] = 0;
    if (o->used)
        set_next(o, o->last, at);
    o->last = at;
    o->used = at + size;
    return true;
}

static nt_status entry_attr(const struct listing *l, u64 id, struct hf_attr *attr)
{
    struct inode inode;
    TRY(vcb_inode(l->vcb, id, &inode));
    TRY(node_attr(l->vcb, &inode, attr));
    if (!(l->flags & HF_LIST_ATTR))
        *attr = (struct hf_attr){.id = attr->id, .mode = attr->mode & S_IFMT};
    return STATUS_SUCCESS;
}

// "." and "..".
static nt_status put_dot(struct listing *l, struct output *o)
{
    struct hf_attr attr;
    u64 id = l->dir;
    if (l->dots == 1) {
        nt_status status = node_parent(l->vcb, l->dir, &id);
        if (status != STATUS_OBJECT_NAME_NOT_FOUND)
            TRY(status);
    }
    TRY(entry_attr(l, id, &attr));
    if (!put(o, &attr, l->dots + 1u, (struct str){"..", l->dots + 1u}))
        return STATUS_BUFFER_TOO_SMALL;
    l->dots++;
    return STATUS_SUCCESS;
}

struct taking {
    const struct listing *listing;
    struct output *output;
};

// Called inside the directory's page, so with what the entry says itself. Mode 0: that is not the type.
static enum dirent_answer take(void *context, const struct dirent_seen *entry)
{
    const struct taking *t = context;
    struct hf_attr attr = {.id = entry->id};
    bool told = entry->plain && !(t->listing->flags & HF_LIST_ATTR) && !(entry->id >> ID_BITS);
    if (told)
        attr.mode = entry->directory ? S_IFDIR : S_IFREG;
    if (!put(t->output, &attr, cookie_of(entry->id, entry->folded), entry->name))
        return DIRENT_LEFT;
    t->output->open |= !told;
    return DIRENT_TAKEN;
}

// What an entry does not say itself. FILE_INVALID: the file was deleted since.
static nt_status look(const struct listing *l, u8 *entry)
{
    struct hf_attr attr;
    memcpy(&attr, entry, sizeof attr);
    if (attr.mode)
        return STATUS_SUCCESS;
    TRY(entry_attr(l, attr.id, &attr));
    if (attr.id >> ID_BITS)
        return STATUS_FILE_CORRUPT_ERROR;
    memcpy(entry, &attr, sizeof attr);
    return STATUS_SUCCESS;
}

// Of the entries only those with a file stay, up to one that cannot be looked at: the next call begins there.
static nt_status complete(const struct listing *l, struct output *o)
{
    struct hf_node_entry e = {.next = 0};
    size_t at = 0, first = SIZE_MAX, last = 0;
    nt_status status;
    do {
        enum { AT = offsetof(struct hf_node_entry, next) };
        memcpy((u8 *)&e + AT, o->p + at + AT, NAME_AT - AT);
        status = look(l, o->p + at);
        if (status == STATUS_SUCCESS) {
            if (first == SIZE_MAX)
                first = at;
            else
                set_next(o, last, at);
            last = at;
            o->used = at + NAME_AT + e.name_length + 1;
        }
        at += e.next;
    } while (e.next && (status == STATUS_SUCCESS || status == STATUS_FILE_INVALID));
    if (first == SIZE_MAX) {
        o->used = 0;
        return status == STATUS_FILE_INVALID ? STATUS_SUCCESS : status;
    }
    set_next(o, last, last);
    o->used -= first;
    memmove(o->p, o->p + first, o->used);
    return STATUS_SUCCESS;
}

// As many as fit. What did not is read again by the next call.
static nt_status fill(struct listing *l, struct output *o)
{
    struct taking taking = {.listing = l, .output = o};
    while (l->dots < 2) {
        nt_status status = put_dot(l, o);
        if (status != STATUS_SUCCESS)
            return o->used ? STATUS_SUCCESS : status;
    }
    for (;;) {
        nt_status status = dirents_next(l->vcb->store, l->dir, &l->position, take, &taking);
        if (status == STATUS_SUCCESS && !o->used)
            return STATUS_BUFFER_TOO_SMALL;
        if (o->open)
            TRY(complete(l, o));
        if (o->used || status == STATUS_NO_MORE_FILES)
            return STATUS_SUCCESS;
        TRY(status);
    }
}

// --- the request ---------------------------------------------------------------------------------

static bool is_deleted(struct fcb *fcb)
{
    SCOPE_READ(&fcb->lock);
    return fcb->deleted;
}

nt_status node_list(struct vcb *vcb, struct irp *irp)
{
    const struct irp_node *n = irp->p.node;
    struct ccb *ccb = irp_ccb(irp);
    struct listing l;
    struct dir_position start;
    struct output o = {.p = n->out, .length = n->length};
    if (!ccb_is_directory(ccb))
        return STATUS_NOT_A_DIRECTORY;
    if (!(irp->file->access & FILE_LIST_DIRECTORY))
        return STATUS_ACCESS_DENIED;
    if (is_deleted(ccb->scb->fcb))
        return STATUS_SUCCESS; // empty, and without "."
    l.vcb = vcb;
    l.ccb = ccb;
    l.dir = ccb->scb->fcb->id;
    l.flags = n->flags;
    TRY(resume(&l, n->cookie));
    copy_position(&start, &l.position);
    TRY(fill(&l, &o));
    irp->information = o.used;
    return o.used ? remember(&l, n->cookie, &start, n->out) : STATUS_SUCCESS;
}
