/* Long-lived calls of the server's own services: health watches and reflection. A stream has at
 * most one message of each direction under way; its kind decides what follows what. On the loop
 * thread. */
#pragma once

#include <grpc/grpc.h>
#include <protobuf-c/protobuf-c.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/list.h"
#include "rpc/tag.h"

struct stream;
struct worker;
struct server;

enum { STREAM_KINDS_MAX = 4 };

struct stream_kind {
    const char *path;
    const ProtobufCMessageDescriptor *request;
    bool is_reflection;
    /* A message came; it lives until the next stream_receive(). */
    void (*on_message)(struct stream *s, const ProtobufCMessage *message);
    /* The client will send no more. */
    void (*on_half_close)(struct stream *s);
    /* stream_send() is through. */
    void (*on_sent)(struct stream *s);
    /* The stream is over, whoever ended it; nothing is called after this. */
    void (*on_end)(struct stream *s);
};

enum stream_state { STREAM_ARMED, STREAM_OPEN, STREAM_ENDING };

struct stream {
    struct worker *worker;
    const struct stream_kind *kind;
    int kind_index;
    enum stream_state state;
    struct arena arena; /* of the current message and its answer */
    struct list link;   /* among the worker's open streams */

    /* the kind's own: */
    struct list watch;
    int service;
    int last_status;
    uint64_t files_sent;

    grpc_call *grpc;
    grpc_metadata_array metadata;
    gpr_timespec deadline;
    struct tag arrived, closed, opened, received, sent, finished;
    int pending; /* batches under way */
    int was_cancelled;
    bool sending;
    grpc_byte_buffer *in, *out;
    grpc_slice message;
    grpc_metadata details; /* of the status, if has_details */
    bool has_details;
};

/* Not while one is being sent. */
void stream_send(struct stream *s, const ProtobufCMessage *message);
bool stream_is_sending(const struct stream *s);
/* Waits for the next message; the last one dies. */
void stream_receive(struct stream *s);
void stream_finish(struct stream *s, enum err err, const char *text);

/* For server.c. */
void streams_bind(struct server *s);
void streams_arm(struct worker *w);
/* Ends those that are open, since the server stops. */
void streams_end(struct worker *w);
