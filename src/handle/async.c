// SPDX-License-Identifier: Apache-2.0
// Requests in the background: a queue and a pool of threads that grows while requests wait for one. The queue
// is linked through the callers' hf_request, so nothing is allocated. The mutex is a leaf, never held across
// a request or a completion.
#include "handle/handle.h"

#include <signal.h>
#include <stdatomic.h>

// Waiting locks may not take every thread: the write that ends in an unlock may be queued behind them.
enum { WORKERS_MAX = 64, LOCKS_MAX = 48 };

static struct worker {
    struct hf_request *request; // running; NULL: none
    _Atomic bool cancel;
} workers[WORKERS_MAX];

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t queued_more = PTHREAD_COND_INITIALIZER;
static struct hf_request *queue;
static u32 queued, started, idle, locks;
static bool stopping;

// The oldest request that may run now.
static struct hf_request *queue_take(void)
{
    if (stopping)
        return NULL;
    for (struct hf_request **at = &queue; *at; at = &(*at)->next_) {
        struct hf_request *request = *at;
        if (request->kind == HF_REQUEST_LOCK && locks >= LOCKS_MAX)
            continue;
        *at = request->next_;
        queued--;
        return request;
    }
    return NULL;
}

static nt_status run(struct hf_request *r, const _Atomic bool *cancel, size_t *done)
{
    *done = 0;
    switch (r->kind) {
    case HF_REQUEST_READ:
        return request_read(r->handle_, cancel, r->offset, r->out, r->out_length, done);
    case HF_REQUEST_WRITE:
        return request_write(r->handle_, cancel, r->offset, r->in, r->in_length, done);
    case HF_REQUEST_IOCTL:
        return request_ioctl(r->handle_, cancel, r->code, r->in, r->in_length, r->out, r->out_length, done);
    case HF_REQUEST_FLUSH:
        return request_flush(r->handle_, cancel);
    case HF_REQUEST_LOCK:
        return request_lock(r->handle_, cancel, r->offset, r->in_length, r->exclusive, true);
    }
    return STATUS_INVALID_PARAMETER;
}

// The handle is let go before complete is called, which may close it.
static void complete(struct hf_request *request, nt_status status, size_t done)
{
    handle_put(request->handle_);
    request->complete(request, status, done);
}

static struct hf_request *worker_next(struct worker *worker)
{
    struct hf_request *request;
    SCOPE_LOCK(&mutex);
    while ((request = queue_take()) == NULL) {
        idle++;
        pthread_cond_wait(&queued_more, &mutex);
        idle--;
    }
    worker->request = request;
    atomic_store(&worker->cancel, false);
    locks += request->kind == HF_REQUEST_LOCK;
    return request;
}

static void worker_done(struct worker *worker)
{
    SCOPE_LOCK(&mutex);
    locks -= worker->request->kind == HF_REQUEST_LOCK;
    worker->request = NULL;
}

static void *worker_main(void *argument)
{
    struct worker *worker = argument;
    for (;;) {
        struct hf_request *request = worker_next(worker);
        size_t done;
        nt_status status = run(request, &worker->cancel, &done);
        worker_done(worker);
        complete(request, status, done);
    }
    return NULL;
}

// One more thread if requests would wait for one. Signals are the application's: our threads take none.
static bool worker_start(void)
{
    if (queued <= idle || started == WORKERS_MAX)
        return true;
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(&thread, NULL, worker_main, &workers[started]);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        return started > 0;
    pthread_detach(thread);
    started++;
    return true;
}

static nt_status enqueue(struct hf_request *request)
{
    SCOPE_LOCK(&mutex);
    struct hf_request **end = &queue;
    while (*end)
        end = &(*end)->next_;
    *end = request;
    queued++;
    if (!worker_start()) {
        *end = NULL;
        queued--;
        return STATUS_INSUFFICIENT_RESOURCES;
    }
    pthread_cond_signal(&queued_more);
    return STATUS_PENDING;
}

nt_status hf_submit(struct hf_request *request)
{
    struct handle *handle;
    if (!request || !request->complete || (u32)request->kind > HF_REQUEST_LOCK)
        return STATUS_INVALID_PARAMETER;
    TRY(handle_get(request->handle, &handle));
    request->handle_ = handle;
    request->next_ = NULL;
    nt_status status = enqueue(request);
    if (status != STATUS_PENDING)
        handle_put(handle);
    return status;
}

void async_cancel(struct handle *handle)
{
    struct hf_request *cancelled = NULL, **end = &cancelled;
    {
        SCOPE_LOCK(&mutex);
        for (struct hf_request **at = &queue; *at;) {
            struct hf_request *request = *at;
            if (request->handle_ != handle) {
                at = &request->next_;
                continue;
            }
            *at = request->next_;
            queued--;
            request->next_ = NULL;
            *end = request;
            end = &request->next_;
        }
        for (u32 i = 0; i < started; i++)
            if (workers[i].request && workers[i].request->handle_ == handle)
                atomic_store(&workers[i].cancel, true);
    }
    while (cancelled) {
        struct hf_request *request = cancelled;
        cancelled = request->next_;
        complete(request, STATUS_CANCELLED, 0);
    }
}

void async_stop(void)
{
    SCOPE_LOCK(&mutex);
    stopping = true;
    for (u32 i = 0; i < started; i++)
        atomic_store(&workers[i].cancel, true);
}

nt_status hf_cancel(hf_handle h)
{
    SCOPE_HANDLE struct handle *handle = NULL;
    TRY(handle_get(h, &handle));
    async_cancel(handle);
    return STATUS_SUCCESS;
}
