// SPDX-License-Identifier: Apache-2.0
// The tables of open files and streams. A reference is counted under vcb.table; what costs I/O (loading an
// inode, opening a stream) happens outside of it. An fcb that became invalid leaves the table, so that the
// next open of the same file gets a fresh one.
#include "fs/request.h"

static struct fcb **bucket_of(struct vcb *vcb, u64 id)
{
    return &vcb->buckets[id % FCB_BUCKETS];
}

// vcb.table is held.
static struct fcb *find_held(struct vcb *vcb, u64 id)
{
    struct fcb *fcb = *bucket_of(vcb, id);
    while (fcb && fcb->id != id)
        fcb = fcb->next;
    if (fcb)
        fcb->references++;
    return fcb;
}

struct fcb *fcb_find(struct vcb *vcb, u64 id)
{
    SCOPE_LOCK(&vcb->table);
    return find_held(vcb, id);
}

void inode_take_stream(struct inode *inode, const struct stream_info *info)
{
    inode->size = info->size;
    inode->allocated = info->allocated;
    inode->algorithm = info->algorithm;
    inode->enforcement_off = info->enforcement_off;
}

nt_status vcb_inode(struct vcb *vcb, u64 id, struct inode *inode)
{
    struct fcb *fcb = fcb_find(vcb, id);
    if (!fcb || fcb_verify(fcb) != STATUS_SUCCESS) {
        if (fcb)
            fcb_put(fcb);
        return inode_get(vcb->store, id, inode);
    }
    {
        SCOPE_FCB(fcb);
        *inode = fcb->inode;
    }
    struct stream_info info;
    if (fcb_stream_info(fcb, &info))
        inode_take_stream(inode, &info);
    fcb_put(fcb);
    return STATUS_SUCCESS;
}

// vcb.table is held. An invalid fcb is not there any more.
static void unhash(struct fcb *fcb)
{
    struct fcb **p = bucket_of(fcb->vcb, fcb->id);
    while (*p && *p != fcb)
        p = &(*p)->next;
    if (*p)
        *p = fcb->next;
    fcb->vcb->gone[fcb->id % FCB_BUCKETS]++;
}

static nt_status load(struct vcb *vcb, u64 id, struct inode *inode)
{
    TRY(inode_get(vcb->store, id, inode));
    // What new children and new streams get is told by the attribute from here on.
    inode->attributes &= ~FILE_ATTRIBUTE_INTEGRITY_STREAM;
    if (inode->algorithm != CHECKSUM_TYPE_NONE)
        inode->attributes |= FILE_ATTRIBUTE_INTEGRITY_STREAM;
    return STATUS_SUCCESS;
}

static void destroy(struct fcb *fcb)
{
    pthread_rwlock_destroy(&fcb->lock);
    pthread_mutex_destroy(&fcb->opening);
    pthread_mutex_destroy(&fcb->news_mutex);
    free(fcb->doomed);
    free(fcb);
}

static nt_status fcb_new(struct vcb *vcb, u64 id, struct fcb **out)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return STATUS_INSUFFICIENT_RESOURCES;
    (*out)->vcb = vcb;
    (*out)->id = id;
    (*out)->references = 1;
    (*out)->epoch = vcb->epoch;
    pthread_rwlock_init(&(*out)->lock, NULL);
    pthread_mutex_init(&(*out)->opening, NULL);
    pthread_mutex_init(&(*out)->news_mutex, NULL);
    return STATUS_SUCCESS;
}

static u32 count_gone(struct vcb *vcb, u64 id)
{
    SCOPE_LOCK(&vcb->table);
    return vcb->gone[id % FCB_BUCKETS];
}

// Its inode was read when `gone` fcbs had left the bucket. *out: this one, or the one that was faster; false:
// there was one in between, which may have changed the inode.
static bool enter_table(struct fcb *fcb, u32 gone, struct fcb **out)
{
    struct vcb *vcb = fcb->vcb;
    SCOPE_LOCK(&vcb->table);
    *out = find_held(vcb, fcb->id);
    if (*out)
        return true;
    if (vcb->gone[fcb->id % FCB_BUCKETS] != gone)
        return false;
    struct fcb **bucket = bucket_of(vcb, fcb->id);
    fcb->directory = fcb->inode.attributes & FILE_ATTRIBUTE_DIRECTORY;
    fcb->deleted = fcb->inode.links == 0; // what of it could not be taken apart yet
    fcb->next = *bucket;
    *bucket = *out = fcb;
    return true;
}

nt_status fcb_get(struct vcb *vcb, u64 id, struct fcb **out)
{
    *out = fcb_find(vcb, id);
    if (*out) {
        nt_status status = fcb_verify(*out);
        if (status == STATUS_SUCCESS)
            return status;
        fcb_put(*out);
        *out = NULL;
        if (status != STATUS_FILE_INVALID)
            return status;
    }
    struct fcb *fcb;
    TRY(fcb_new(vcb, id, &fcb));
    nt_status status;
    u32 gone;
    do {
        gone = count_gone(vcb, id);
        status = load(vcb, id, &fcb->inode);
    } while (status == STATUS_SUCCESS && !enter_table(fcb, gone, out));
    if (*out != fcb)
        destroy(fcb);
    return status;
}

void fcb_put(struct fcb *fcb)
{
    {
        SCOPE_LOCK(&fcb->vcb->table);
        if (--fcb->references)
            return;
        unhash(fcb);
    }
    destroy(fcb);
}

static bool same_name(const struct case_table *t, struct str a, struct str b)
{
    if (a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0))
        return true;
    char x[TEXT_NAME_BYTES], y[TEXT_NAME_BYTES];
    u32 xn, yn;
    return t && a.len && b.len && text_fold(t, a, x, &xn) == STATUS_SUCCESS &&
           text_fold(t, b, y, &yn) == STATUS_SUCCESS && xn == yn && memcmp(x, y, xn) == 0;
}

struct scb *scb_find(struct fcb *fcb, struct str name)
{
    const struct case_table *t = fcb->vcb->store ? store_case_table(fcb->vcb->store) : NULL;
    SCOPE_LOCK(&fcb->vcb->table);
    for (struct scb *scb = fcb->streams; scb; scb = scb->next) {
        if (same_name(t, (struct str){scb->name, scb->name_len}, name)) {
            scb->references++;
            return scb;
        }
    }
    return NULL;
}

nt_status scb_get(struct fcb *fcb, struct str name, struct scb **out)
{
    *out = NULL;
    if (name.len > TEXT_NAME_BYTES)
        return STATUS_OBJECT_NAME_INVALID;
    SCOPE_LOCK(&fcb->opening);
    *out = scb_find(fcb, name);
    if (*out)
        return STATUS_SUCCESS;
    struct scb *scb = calloc(1, sizeof *scb);
    if (!scb)
        return STATUS_INSUFFICIENT_RESOURCES;
    nt_status status = stream_open(fcb->vcb->store, fcb->id, name, &scb->stream);
    if (status != STATUS_SUCCESS) {
        free(scb);
        return status;
    }
    scb->fcb = fcb;
    scb->references = 1;
    scb->name_len = name.len;
    if (name.len)
        memcpy(scb->name, name.p, name.len);
    pthread_mutex_init(&scb->mutex, NULL);
    pthread_cond_init(&scb->unlocked, NULL);
    SCOPE_LOCK(&fcb->vcb->table);
    fcb->references++;
    scb->next = fcb->streams;
    fcb->streams = scb;
    *out = scb;
    return STATUS_SUCCESS;
}

// Streams come and go under fcb.opening, so that it is enough to look at one.
bool fcb_stream_info(struct fcb *fcb, struct stream_info *info)
{
    SCOPE_LOCK(&fcb->opening);
    const struct scb *scb = fcb->streams;
    while (scb && scb->name_len)
        scb = scb->next;
    if (!scb || !scb->stream)
        return false;
    stream_get_info(scb->stream, info);
    return true;
}

// The inode's stream state is a copy that ages while the stream is open.
static void close_stream(struct scb *scb)
{
    struct stream *stream = scb->stream;
    if (!stream)
        return;
    if (scb->name_len == 0) {
        SCOPE_LOCK(&scb->fcb->news_mutex);
        stream_get_info(stream, &scb->fcb->news.stream);
        scb->fcb->news.closed = true;
    }
    scb->stream = NULL;
    scb->lost += stream_lost_at_end(stream);
    stream_close(stream);
}

void scb_put(struct scb *scb)
{
    struct fcb *fcb = scb->fcb;
    {
        SCOPE_LOCK(&fcb->opening);
        {
            SCOPE_LOCK(&fcb->vcb->table);
            if (--scb->references)
                return;
            struct scb **p = &fcb->streams;
            while (*p != scb)
                p = &(*p)->next;
            *p = scb->next;
        }
        close_stream(scb);
    }
    ASSERT(!scb->locks);
    pthread_mutex_destroy(&scb->mutex);
    pthread_cond_destroy(&scb->unlocked);
    free(scb);
    fcb_put(fcb);
}

void fcb_close_streams(struct fcb *fcb)
{
    SCOPE_LOCK(&fcb->opening);
    for (struct scb *scb = fcb->streams; scb; scb = scb->next)
        close_stream(scb);
}

void vcb_close_streams(struct vcb *vcb)
{
    for (size_t i = 0; i < FCB_BUCKETS; i++)
        for (struct fcb *fcb = vcb->buckets[i]; fcb; fcb = fcb->next)
            fcb_close_streams(fcb);
}

// Is this still the file that we knew? Only asked when the medium was written elsewhere while it was away.
static bool same_file(const struct inode *known, const struct inode *found)
{
    return known->created == found->created && known->written == found->written &&
           known->changed == found->changed && known->size == found->size &&
           known->reparse_tag == found->reparse_tag && known->links == found->links;
}

// fcb.lock is held exclusive.
static nt_status reopen(struct fcb *fcb)
{
    struct vcb *vcb = fcb->vcb;
    struct inode found;
    TRY(load(vcb, fcb->id, &found));
    if (fcb->deleted || (fcb->epoch < vcb->changed_epoch && !same_file(&fcb->inode, &found)))
        return STATUS_FILE_INVALID;
    SCOPE_LOCK(&fcb->opening);
    for (struct scb *scb = fcb->streams; scb; scb = scb->next) {
        if (scb->stream)
            continue;
        nt_status status =
            stream_open(vcb->store, fcb->id, (struct str){scb->name, scb->name_len}, &scb->stream);
        if (status != STATUS_SUCCESS)
            return status == STATUS_OBJECT_NAME_NOT_FOUND ? STATUS_FILE_INVALID : status;
    }
    fcb->inode = found;
    fcb->dirty = false;
    return STATUS_SUCCESS;
}

nt_status fcb_verify(struct fcb *fcb)
{
    struct vcb *vcb = fcb->vcb;
    if (__atomic_load_n(&fcb->epoch, __ATOMIC_ACQUIRE) == vcb->epoch)
        return fcb->invalid ? STATUS_FILE_INVALID : STATUS_SUCCESS;
    SCOPE_FCB(fcb);
    if (fcb->epoch == vcb->epoch)
        return fcb->invalid ? STATUS_FILE_INVALID : STATUS_SUCCESS;
    nt_status status = fcb->invalid ? STATUS_FILE_INVALID : reopen(fcb);
    if (status == STATUS_FILE_INVALID) {
        fcb->invalid = true;
        fcb_close_streams(fcb);
        SCOPE_LOCK(&vcb->table);
        unhash(fcb);
    } else if (status != STATUS_SUCCESS) {
        return status; // the device: to be tried again
    }
    __atomic_store_n(&fcb->epoch, vcb->epoch, __ATOMIC_RELEASE);
    return status;
}

// A read is noted when the time of the last one is not after the last change, or a day old (Linux' relatime).
static u64 fresh_until(const struct inode *inode)
{
    return inode->accessed > MAX(inode->written, inode->changed) ? inode->accessed + FCB_FRESH : 0;
}

void fcb_settle(struct fcb *fcb)
{
    struct inode *inode = &fcb->inode;
    SCOPE_LOCK(&fcb->news_mutex);
    struct fcb_news *news = &fcb->news;
    fcb->dirty |= news->accessed || news->written || news->changed || news->archive;
    if (news->accessed)
        inode_touch(inode, TIME_ACCESSED, news->accessed);
    if (news->written)
        inode_touch(inode, TIME_WRITTEN, news->written);
    if (news->changed)
        inode_touch(inode, TIME_CHANGED, news->changed);
    if (news->archive && !fcb->directory)
        inode->attributes |= FILE_ATTRIBUTE_ARCHIVE;
    if (news->closed)
        inode_take_stream(inode, &news->stream);
    *news = (struct fcb_news){0};
    atomic_store(&fcb->fresh_until, fresh_until(inode));
}

void fcb_lock(struct fcb *fcb)
{
    pthread_rwlock_wrlock(&fcb->lock);
    fcb_settle(fcb);
}

nt_status fcb_save(struct fcb *fcb)
{
    struct txn *t;
    fcb_settle(fcb);
    if (fcb->deleted || fcb->invalid || !fcb->dirty)
        return STATUS_SUCCESS;
    TRY(txn_begin(fcb->vcb->store, TXN_NORMAL, &t));
    TRY(txn_end(t, inode_put(t, &fcb->inode)));
    fcb->dirty = false;
    return STATUS_SUCCESS;
}

void inode_touch(struct inode *inode, u32 marks, u64 now)
{
    u64 *times[] = {&inode->accessed, &inode->written, &inode->changed};
    for (u32 i = 0; i < ARRAY_LEN(times); i++) {
        if (marks & (u32)TIME_ACCESSED << i) {
            *times[i] = now;
            inode->nanos[INODE_ACCESSED + i] = 0;
        }
    }
}

u32 fcb_attributes(const struct fcb *fcb)
{
    return fcb->inode.attributes ? fcb->inode.attributes : FILE_ATTRIBUTE_NORMAL;
}

void fcb_touch(struct fcb *fcb, const struct ccb *ccb, u32 marks)
{
    static const struct ccb nobody;
    u64 now = time_now();
    ccb = ccb ? ccb : &nobody;
    SCOPE_LOCK(&fcb->news_mutex);
    if (marks & TIME_ACCESSED && !ccb->user_set_accessed)
        fcb->news.accessed = now;
    if (marks & TIME_ACCESSED)
        atomic_store(&fcb->fresh_until, now + FCB_FRESH);
    if (marks & (TIME_WRITTEN | TIME_CHANGED))
        atomic_store(&fcb->fresh_until, 0);
    if (marks & TIME_WRITTEN && !ccb->user_set_written)
        fcb->news.written = now;
    if (marks & TIME_CHANGED && !ccb->user_set_changed)
        fcb->news.changed = now;
    if (marks & MARK_ARCHIVE)
        fcb->news.archive = true;
}

nt_status ccb_name(struct vcb *vcb, const struct ccb *ccb, u64 *parent, struct dirent *entry)
{
    u64 id = ccb->scb->fcb->id;
    if (ccb->name_len) {
        nt_status status =
            dirent_find(vcb->store, ccb->parent, (struct str){ccb->name, ccb->name_len}, entry);
        *parent = ccb->parent;
        if (status == STATUS_SUCCESS && entry->id == id)
            return status;
        if (status != STATUS_SUCCESS && status != STATUS_OBJECT_NAME_NOT_FOUND)
            return status;
    }
    struct link_position position = {0};
    nt_status status = link_next(vcb->store, id, &position, parent, entry);
    return status == STATUS_NO_MORE_FILES ? STATUS_FILE_INVALID : status;
}

nt_status fcb_doom(struct fcb *fcb, const struct ccb *ccb)
{
    if (!fcb->doomed)
        fcb->doomed = malloc(sizeof *fcb->doomed);
    if (!fcb->doomed)
        return STATUS_INSUFFICIENT_RESOURCES;
    *fcb->doomed = *ccb;
    fcb->delete_pending = true;
    return STATUS_SUCCESS;
}
