package dev.perseid.inference;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufAllocator;
import io.netty.handler.codec.http.HttpResponse;
import java.io.ByteArrayOutputStream;
import java.util.concurrent.TimeUnit;

/// One `GET` of a small page of another server.
final class HttpProbe extends HttpExchange {
  /// Who waits for the page.
  interface Reader {
    /// @param status of HTTP, or 0 if there was no answer
    /// @param page what came, or why nothing did
    void read(int status, byte[] page);
  }

  private final byte[] head;
  private final int limit;
  private final Reader reader;
  private final ByteArrayOutputStream page = new ByteArrayOutputStream();
  private int status;
  private boolean over;

  /// @param limit bytes of the page, at most
  HttpProbe(HttpLane lane, byte[] head, int limit, Reader reader) {
    super(lane);
    this.head = head;
    this.limit = limit;
    this.reader = reader;
  }

  @Override
  ByteBuf encode(ByteBufAllocator allocator) {
    return allocator.ioBuffer(head.length + 2).writeBytes(head).writeShort(0x0D0A);
  }

  @Override
  void sent() {
    deadlineNs = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(BackendLimits.PROBE_MS);
  }

  @Override
  void head(HttpResponse response) {
    status = response.status().code();
  }

  @Override
  void body(ByteBuf in) {
    if (page.size() + in.readableBytes() > limit) {
      failed(Failure.Kind.BROKEN, "a page is too long");
      return;
    }
    byte[] more = new byte[in.readableBytes()];
    in.readBytes(more);
    page.writeBytes(more);
  }

  @Override
  void ended() {
    tell(status, page.toByteArray());
  }

  @Override
  void failed(Failure.Kind kind, String message) {
    tell(0, new byte[0]);
  }

  @Override
  void expired() {
    failed(Failure.Kind.TIMEOUT, "it does not answer in time");
  }

  @Override
  boolean open() {
    return !over;
  }

  private void tell(int told, byte[] what) {
    if (!over) {
      over = true;
      hangUp();
      reader.read(told, what);
    }
  }
}
