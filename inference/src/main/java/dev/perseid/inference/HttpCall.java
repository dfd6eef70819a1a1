package dev.perseid.inference;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.codec.http.HttpHeaderNames;
import io.netty.handler.codec.http.HttpHeaders;
import io.netty.handler.codec.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Locale;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/// One request to a model on another server. Running it cancels it.
final class HttpCall extends HttpExchange implements Runnable, EventStream.Sink {
  private static final byte[] DONE = "[DONE]".getBytes(StandardCharsets.US_ASCII);

  private enum Phase {
    /// Nothing of the answer has come.
    ASKED,
    /// Chunks are passed on.
    STREAM,
    /// A whole answer is collected.
    WHOLE,
    /// What the server says is wrong is collected.
    FAULT,
    /// The listener has heard the end.
    ENDED
  }

  private final HttpSettings settings;
  private final byte[] head;
  private final Request request;
  private final RequestSplice splice;
  private final Answer answer;
  private final Runnable freed;
  private final AnswerScan scan;
  private final long lastNs;
  private Phase phase = Phase.ASKED;
  private @Nullable EventStream events;
  private byte[] collected = {};
  private int length;
  private int limit;
  private long bytes;
  private int drained;
  private int status;
  private @Nullable HttpHeaders headers;
  private boolean finished;

  /// @param head of the request, up to the length of its body
  /// @param freed run once, when the call has ended
  HttpCall(
      HttpLane lane,
      HttpSettings settings,
      byte[] head,
      Request request,
      RequestSplice splice,
      Answer answer,
      Runnable freed) {
    super(lane);
    this.settings = settings;
    this.head = head;
    this.request = request;
    this.splice = splice;
    this.answer = answer;
    this.freed = freed;
    this.scan = new AnswerScan(request.api());
    this.lastNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(settings.answerMs());
  }

  @Override
  ByteBuf encode(ByteBufAllocator allocator) {
    int size = splice.length();
    ByteBuf out = allocator.ioBuffer(head.length + 16 + size);
    out.writeBytes(head);
    out.writeCharSequence(Integer.toString(size), StandardCharsets.US_ASCII);
    out.writeInt(0x0D0A0D0A);
    splice.writeTo(out);
    return out;
  }

  @Override
  void sent() {
    within(settings.firstMs());
  }

  private void within(long ms) {
    long at = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ms);
    deadlineNs = at - lastNs < 0 ? at : lastNs;
  }

  @Override
  boolean open() {
    return phase != Phase.ENDED;
  }

  @Override
  public boolean wanted() {
    return phase == Phase.STREAM;
  }

  @Override
  void head(HttpResponse response) {
    if (phase == Phase.ENDED) {
      return;
    }
    status = response.status().code();
    headers = response.headers();
    String encoding = headers.get(HttpHeaderNames.CONTENT_ENCODING);
    if (encoding != null && !encoding.equalsIgnoreCase("identity")) {
      fail(new Failure(Failure.Kind.BROKEN, "The model's server compressed its answer unasked."));
      return;
    }
    String type = headers.get(HttpHeaderNames.CONTENT_TYPE);
    boolean eventStream =
        type != null && type.strip().toLowerCase(Locale.ROOT).startsWith("text/event-stream");
    if (status != 200) {
      phase = Phase.FAULT;
      limit = BackendLimits.FAULT_BYTES;
    } else if (!request.stream()) {
      phase = Phase.WHOLE;
      limit = settings.answerBytes();
    } else if (eventStream) {
      phase = Phase.STREAM;
      events = new EventStream(this, Math.min(settings.answerBytes(), BackendLimits.EVENT_BYTES));
    } else {
      phase = Phase.FAULT;
      limit = BackendLimits.FAULT_BYTES;
    }
  }

  @Override
  void body(ByteBuf in) {
    EventStream stream = events;
    switch (phase) {
      case STREAM -> {
        bytes += in.readableBytes();
        if (bytes > settings.answerBytes()) {
          broken("Its answer is longer than " + settings.answerBytes() + " bytes.");
          return;
        }
        if (!finished) {
          within(settings.idleMs());
        }
        try {
          if (stream != null) {
            stream.read(in);
          }
        } catch (BrokenAnswer e) {
          broken(e.what());
        }
      }
      case WHOLE, FAULT -> {
        within(settings.idleMs());
        collect(in);
      }
      case ASKED -> broken("It sent a body without a head.");
      case ENDED -> {
        drained += in.readableBytes();
        if (drained > BackendLimits.DRAIN_BYTES) {
          hangUp();
        }
      }
    }
  }

  private void collect(ByteBuf in) {
    int more = in.readableBytes();
    if (length + (long) more > limit) {
      if (phase == Phase.FAULT) {
        // What it says is long: its beginning is no JSON, the status must do.
        length = 0;
        fault();
        hangUp();
      } else {
        broken("Its answer is longer than " + limit + " bytes.");
      }
      return;
    }
    if (collected.length < length + more) {
      long told = headers == null ? -1 : headers.getInt(HttpHeaderNames.CONTENT_LENGTH, -1);
      long room = Math.max(length + (long) more, Math.max(collected.length * 2L, 512));
      if (told >= length + more && told <= limit) {
        room = told;
      }
      collected = Arrays.copyOf(collected, (int) Math.min(room, limit));
    }
    in.readBytes(collected, length, more);
    length += more;
  }

  private byte[] collected() {
    return collected.length == length ? collected : Arrays.copyOf(collected, length);
  }

  @Override
  public void event(boolean error, byte[] data) throws BrokenAnswer {
    if (data.length == DONE.length && Arrays.equals(data, DONE)) {
      if (!scan.complete(splice.choices())) {
        throw new BrokenAnswer("It ended its stream without a finish_reason.");
      }
      done();
      return;
    }
    if (error) {
      fail(ServerFault.read(data).inBand(key()));
      return;
    }
    scan.chunk(data);
    if (scan.error()) {
      fail(ServerFault.read(data).inBand(key()));
      return;
    }
    if (splice.usageAsked() || !scan.usageAlone()) {
      answer.part(data);
    }
    if (!finished && phase == Phase.STREAM && scan.complete(splice.choices())) {
      // Only the usage and the end may still come.
      finished = true;
      within(Math.min(BackendLimits.AFTER_FINISH_MS, settings.idleMs()));
    }
  }

  @Override
  void ended() {
    switch (phase) {
      case STREAM -> {
        if (scan.complete(splice.choices())) {
          done();
        } else if (scan.begun() == 0) {
          broken("Its stream was empty.");
        } else {
          broken("Its stream ended before the answer did.");
        }
      }
      case WHOLE -> whole();
      case FAULT -> fault();
      case ASKED -> broken("It sent no answer.");
      case ENDED -> {}
    }
  }

  private void whole() {
    byte[] json = collected();
    try {
      scan.whole(json);
      if (scan.error()) {
        fail(ServerFault.read(json).inBand(key()));
        return;
      }
      if (request.api() == Api.EMBEDDING) {
        if (scan.vectors() != splice.inputs()) {
          throw new BrokenAnswer(
              "It sent " + scan.vectors() + " embeddings for " + splice.inputs() + " texts.");
        }
      } else if (!scan.complete(splice.choices())) {
        throw new BrokenAnswer(
            scan.begun() == 0 ? "It sent no choices." : "It sent too few choices.");
      }
    } catch (BrokenAnswer e) {
      broken(e.what());
      return;
    }
    answer.part(json);
    if (phase != Phase.ENDED) {
      done();
    }
  }

  private void fault() {
    ServerFault said = ServerFault.read(collected());
    if (status != 200) {
      fail(said.failure(status, headers, key()));
    } else if (said.message().isEmpty() && said.code().isEmpty()) {
      broken("It was asked for a stream and sent something else.");
    } else {
      fail(said.inBand(key()));
    }
  }

  private String key() {
    return settings.key().orElse("");
  }

  @Override
  void expired() {
    if (phase == Phase.ENDED) {
      // The listener has its answer; only the connection was to be saved.
      hangUp();
    } else if (finished) {
      hangUp();
      done();
    } else {
      fail(
          new Failure(
              Failure.Kind.TIMEOUT,
              connection == null
                  ? "The model's server could not be reached in time."
                  : phase == Phase.ASKED || (bytes == 0 && length == 0)
                      ? "The model's server did not begin to answer in time."
                      : "The model's server fell silent in the middle of its answer."));
    }
  }

  @Override
  void failed(Failure.Kind kind, String message) {
    if (phase == Phase.STREAM && finished) {
      done();
    } else if (phase != Phase.ENDED) {
      fail(new Failure(kind, message));
    }
  }

  private void broken(String what) {
    fail(new Failure(Failure.Kind.BROKEN, "The model's server is broken: " + what));
  }

  private void done() {
    phase = Phase.ENDED;
    freed.run();
    if (connection != null) {
      deadlineNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(BackendLimits.DRAIN_MS);
    }
    answer.done(scan.claim());
  }

  private void fail(Failure failure) {
    if (phase == Phase.ENDED) {
      return;
    }
    phase = Phase.ENDED;
    freed.run();
    hangUp();
    answer.failed(failure, scan.claim());
  }

  /// Cancels it.
  @Override
  public void run() {
    if (lane.loop.inEventLoop()) {
      cancel();
    } else {
      lane.loop.execute(this::cancel);
    }
  }

  private void cancel() {
    if (phase != Phase.ENDED) {
      fail(new Failure(Failure.Kind.CANCELLED, "The request was cancelled."));
    }
  }
}
