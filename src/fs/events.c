// SPDX-License-Identifier: Apache-2.0
// What the engine found damaged, kept with the volume: a ring of the newest findings, and one listener. The
// engine reports from the middle of a read, under locks of its own, so recording takes a leaf mutex and never
// waits for anything. The ring belongs to the vcb: it outlives a medium that is away, and is read without
// asking the drive.
#include "fs/request.h"

#include <time.h>

static struct hf_time now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (struct hf_time){.seconds = t.tv_sec, .nanoseconds = (u32)t.tv_nsec};
}

void events_init(struct events *e)
{
    pthread_mutex_init(&e->mutex, NULL);
    pthread_mutex_init(&e->calling, NULL);
}

void events_destroy(struct events *e)
{
    pthread_mutex_destroy(&e->mutex);
    pthread_mutex_destroy(&e->calling);
}

// Told apart from others by this first, so that a file that is read again and again costs little.
static u32 key_of(const struct store_event *event)
{
    u64 mix = event->object * 0x9e3779b97f4a7c15u + event->offset + event->length * 31 + event->id;
    return (u32)((mix * 0x9e3779b97f4a7c15u) >> 32);
}

static struct hf_event *find(struct events *e, u32 key, const struct store_event *event)
{
    u64 kept = MIN(e->newest, (u64)HF_EVENTS_KEPT);
    for (u64 i = 0; i < kept; i++) {
        struct hf_event *known = &e->ring[i];
        if (e->keys[i] == key && known->id == event->id && known->node == event->object &&
            known->offset == event->offset && known->length == event->length)
            return known;
    }
    return NULL;
}

// False: it was known.
static bool record(struct events *e, const struct store_event *event)
{
    u32 key = key_of(event);
    SCOPE_LOCK(&e->mutex);
    struct hf_event *known = find(e, key, event);
    if (known) {
        known->last = now();
        known->count += known->count < UINT32_MAX;
        return false;
    }
    u64 slot = e->newest++ % HF_EVENTS_KEPT;
    struct hf_event *new = &e->ring[slot];
    e->keys[slot] = key;
    *new = (struct hf_event){.sequence = e->newest,
                             .first = now(),
                             .node = event->object,
                             .offset = event->offset,
                             .length = event->length,
                             .id = event->id,
                             .count = 1};
    new->last = new->first;
    return true;
}

void events_record(void *context, const struct store_event *event)
{
    struct events *e = context;
    if (!record(e, event))
        return;
    SCOPE_LOCK(&e->calling);
    if (e->listener.fn)
        e->listener.fn(e->listener.context);
}

// After this the listener before is not called any more, and not being called either.
nt_status events_listen(struct vcb *vcb, struct irp *irp)
{
    struct events *e = &vcb->events;
    const struct irp_listener *listener = irp->p.node->in;
    SCOPE_LOCK(&e->calling);
    e->listener = *listener;
    return STATUS_SUCCESS;
}

// Input: the sequence number after which to begin, or nothing: 0. Output: struct hf_event[], as many as fit.
nt_status events_get(struct vcb *vcb, struct irp *irp)
{
    struct events *e = &vcb->events;
    const void *in = irp->p.control.in;
    u8 *out = irp->p.control.out;
    size_t in_length = in ? irp->p.control.in_length : 0;
    u64 room = out ? irp->p.control.out_length / sizeof(struct hf_event) : 0;
    if (in_length > 0 && in_length < sizeof(u64))
        return STATUS_INVALID_PARAMETER;
    u64 after = in_length ? get_le64(in) : 0;
    SCOPE_LOCK(&e->mutex);
    if (e->newest > HF_EVENTS_KEPT)
        after = MAX(after, e->newest - HF_EVENTS_KEPT);
    if (after >= e->newest)
        return STATUS_SUCCESS;
    if (room == 0)
        return STATUS_BUFFER_TOO_SMALL;
    u64 count = MIN(room, e->newest - after);
    for (u64 i = 0; i < count; i++)
        memcpy(out + i * sizeof(struct hf_event), &e->ring[(after + i) % HF_EVENTS_KEPT],
               sizeof(struct hf_event));
    irp->information = count * sizeof(struct hf_event);
    return STATUS_SUCCESS;
}
