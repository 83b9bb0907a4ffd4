// SPDX-License-Identifier: Apache-2.0
// events: what a volume that is in use found damaged since it was mounted, in the order of the first
// sighting.
#include <inttypes.h>
#include <stdlib.h>

#include "tools/tool.h"

#include <holdfast/posix.h>

static const char *event_text(uint32_t id)
{
    switch (id) {
    case 130:
        return "metadata corrected from its second copy";
    case 131:
        return "metadata damaged";
    case 132:
        return "data corrected";
    case 133:
        return "data damaged";
    case 134:
        return "metadata not written, read-only from now on";
    default:
        return "unknown event";
    }
}

// The file's path as users write it: below the mount or in the image. NULL: it has no name any more.
static char *event_path(const struct target *root, const struct hf_event *e)
{
    enum { PATH_SIZE = 3 * 32767 + 1 };
    struct target file;
    hf_handle h;
    char number[24], *shown = NULL, *path = memory(PATH_SIZE);
    snprintf(number, sizeof number, "%" PRIu64, e->node);
    target_copy(&file, root);
    target_push(&file, number);
    if (e->node && target_open(&file, 0, FILE_OPEN, FILE_OPEN_BY_FILE_ID | FILE_OPEN_REPARSE_POINT, &h) ==
                       STATUS_SUCCESS) {
        if (hf_path(h, path, PATH_SIZE) == STATUS_SUCCESS) {
            target_pop(&file, root->length);
            target_push(&file, path + 1);
            shown = text_copy(target_shown(&file));
        }
        handle_close(&file, h);
    }
    target_free(&file);
    free(path);
    return shown;
}

static struct time_text event_time(struct hf_time t)
{
    return time_text(time_from_unix((struct timespec){.tv_sec = t.seconds, .tv_nsec = t.nanoseconds}));
}

static void event_print(const struct hf_event *e, const char *path)
{
    printf("%" PRIu64 "  %s  %u  ", e->sequence, event_time(e->first).text, e->id);
    if (path)
        out_name(path);
    else if (e->node)
        printf("file %" PRIu64, e->node);
    else
        fputs("metadata", stdout);
    printf("  %" PRIu64 "+%" PRIu64 "  %s", e->offset, e->length, event_text(e->id));
    if (e->count > 1)
        printf(", %u times", e->count);
    putchar('\n');
}

static struct json_object *event_json(const struct hf_event *e, const char *path)
{
    struct json_object *object = json_object_new_object();
    json_add_number(object, "sequence", e->sequence);
    json_add_number(object, "id", e->id);
    json_add_text(object, "text", event_text(e->id));
    json_add_text(object, "first", event_time(e->first).text);
    json_add_text(object, "last", event_time(e->last).text);
    json_add_number(object, "count", e->count);
    json_add_number(object, "node", e->node);
    json_add_text(object, "path", path);
    json_add_number(object, "offset", e->offset);
    json_add_number(object, "length", e->length);
    return object;
}

static nt_status events_show(const struct target *root, hf_handle h, struct json_object *array)
{
    struct hf_event events[64];
    uint64_t after = 0;
    for (;;) {
        size_t count = sizeof events / sizeof events[0];
        nt_status status = hf_events(h, after, events, &count);
        if (status != STATUS_SUCCESS || count == 0)
            return status;
        for (size_t i = 0; i < count; i++) {
            char *path = event_path(root, &events[i]);
            if (array)
                json_object_array_add(array, event_json(&events[i], path));
            else
                event_print(&events[i], path);
            free(path);
        }
        after = events[count - 1].sequence;
    }
}

void command_events(const struct args *args)
{
    struct json_object *array = option_given(args, "json") ? json_object_new_array() : NULL;
    for (int i = 0; i < args->count; i++) {
        struct target root = target_volume_root(args->words[i]);
        hf_handle h;
        if (target_attach(&root, ATTACH_READ)) {
            nt_status status = target_open(&root, 0, FILE_OPEN, FILE_DIRECTORY_FILE, &h);
            if (status == STATUS_SUCCESS) {
                status = events_show(&root, h, array);
                handle_close(&root, h);
            }
            if (status != STATUS_SUCCESS)
                fail_status(args->words[i], status, "cannot list the events");
        }
        target_free(&root);
    }
    if (array)
        out_json(array);
}
