// SPDX-License-Identifier: Apache-2.0
// The scrub command. An interrupt is only noted; the library is told at the next step, so that the volume is
// closed in order and the position is exact.
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/tool.h"

#define POSITION_MAGIC "HFSCRUB1"
enum { MAGIC_LENGTH = 8 };

struct scrub {
    const char *image;
    struct json_object *findings; // NULL: print them
};

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    (void)number;
    interrupted = 1;
}

static void scrub_finding(void *context, const struct hf_finding *f)
{
    const struct scrub *scrub = context;
    finding_out(scrub->image, f, scrub->findings);
}

static bool scrub_progress(void *context, const struct hf_scrub_totals *totals)
{
    (void)context;
    progress_set(totals->bytes, totals->total_bytes);
    return !interrupted;
}

// --- the position in a file ----------------------------------------------------------------------

// No such file is the beginning. Reports.
static bool position_read(const char *path, struct hf_scrub_position *position)
{
    unsigned char *data;
    size_t length;
    if (access(path, F_OK) != 0 && errno == ENOENT)
        return true;
    if (!file_read_all(path, MAGIC_LENGTH + sizeof *position + 1, &data, &length))
        return false;
    bool good = length == MAGIC_LENGTH + sizeof *position && memcmp(data, POSITION_MAGIC, MAGIC_LENGTH) == 0;
    if (good)
        memcpy(position, data + MAGIC_LENGTH, sizeof *position);
    else
        fail_text(path, "is not the position of a scrub");
    free(data);
    return good;
}

static void position_write(const char *path, const struct hf_scrub_position *position)
{
    FILE *file = fopen(path, "wb");
    bool good = file && fwrite(POSITION_MAGIC, MAGIC_LENGTH, 1, file) == 1 &&
                fwrite(position, sizeof *position, 1, file) == 1;
    if (file && fclose(file) != 0)
        good = false;
    if (!good)
        fail_errno(path, "cannot write the position");
}

// --- the report ----------------------------------------------------------------------------------

static void totals_json(struct json_object *object, const struct hf_scrub_totals *t)
{
    json_add_number(object, "bytes", t->bytes);
    json_add_number(object, "total_bytes", t->total_bytes);
    json_add_number(object, "pages", t->pages);
    json_add_number(object, "data_bytes", t->data_bytes);
    json_add_number(object, "repaired", t->repaired);
    json_add_number(object, "lost", t->lost);
}

static void totals_print(const struct hf_scrub_totals *t)
{
    printf("%llu bytes of data, %llu metadata pages: ", (unsigned long long)t->data_bytes,
           (unsigned long long)t->pages);
    if (t->repaired || t->lost)
        printf("%llu repaired, %llu lost\n", (unsigned long long)t->repaired, (unsigned long long)t->lost);
    else
        puts("all good");
}

static void scrub_end(const char *image, nt_status status, bool begun, const char *resume,
                      const struct hf_scrub_position *position)
{
    bool finished = status == STATUS_SUCCESS || status == STATUS_DISK_CORRUPT_ERROR;
    if (resume && !finished && begun)
        position_write(resume, position);
    if (status == STATUS_CANCELLED) {
        fail_text(image, resume ? "interrupted; the same command goes on from here"
                                : "interrupted; with --resume FILE it could go on from here");
        return;
    }
    if (resume && finished && unlink(resume) != 0 && errno != ENOENT)
        fail_errno(resume, "cannot remove the position");
    if (status != STATUS_SUCCESS)
        fail_status(image, status, finished ? "something is lost" : "cannot scrub");
}

void command_scrub(const struct args *args)
{
    char *image = image_of(args->words[0]), *spec = image_spec(image);
    const char *resume = option_value(args, "resume");
    struct scrub scrub = {image, option_given(args, "json") ? json_object_new_array() : NULL};
    struct hf_scrub_options options = {
        .finding = scrub_finding, .progress = scrub_progress, .context = &scrub};
    struct hf_scrub_position position = {0};
    struct hf_scrub_totals totals = {0};
    struct sigaction catch = {.sa_handler = on_interrupt, .sa_flags = (int)SA_RESETHAND};
    if (!resume || position_read(resume, &position)) {
        sigaction(SIGINT, &catch, NULL);
        sigaction(SIGTERM, &catch, NULL);
        progress_start(0);
        nt_status status = hf_scrub(spec, &position, &options, &totals);
        progress_end();
        if (scrub.findings) {
            struct json_object *object = json_object_new_object();
            json_add_text(object, "volume", image);
            json_add_text(object, "status", hf_status_name(status));
            totals_json(object, &totals);
            json_object_object_add(object, "findings", json_object_get(scrub.findings));
            out_json(object);
        } else if (totals.bytes > 0) {
            totals_print(&totals);
        }
        scrub_end(image, status, totals.bytes > 0, resume, &position);
    }
    json_object_put(scrub.findings);
    free(spec);
    free(image);
}
