package dev.perseid.wire;

import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/// Gives up its first connection as soon as a call has begun on it, with a GOAWAY that says
/// PROTOCOL_ERROR (RFC 9113, 6.8); the connections after it are passed on to a server.
final class AbruptServer implements AutoCloseable {
  private static final int PREFACE_BYTES = 24;
  private static final int HEADERS = 1;
  private static final int SETTINGS = 4;
  private static final int GOAWAY = 7;
  private static final int PROTOCOL_ERROR = 1;

  private final ServerSocket listening;
  private final int next;
  private final AtomicInteger closed = new AtomicInteger();
  private final List<Socket> sockets = new ArrayList<>();

  /// @param next the port that later connections are passed on to
  AbruptServer(int next) throws IOException {
    this.next = next;
    this.listening = new ServerSocket(0, 8, InetAddress.getLoopbackAddress());
    Thread.ofVirtual().start(this::serve);
  }

  int port() {
    return listening.getLocalPort();
  }

  /// How many connections it gave up.
  int closed() {
    return closed.get();
  }

  private void serve() {
    try {
      giveUp(keep(listening.accept()));
      while (true) {
        Socket in = keep(listening.accept());
        Socket out = keep(new Socket(InetAddress.getLoopbackAddress(), next));
        Thread.ofVirtual().start(() -> pass(in, out));
        Thread.ofVirtual().start(() -> pass(out, in));
      }
    } catch (IOException e) {
      // The test is over, or fails by what it waits for.
    }
  }

  private void giveUp(Socket socket) throws IOException {
    DataInputStream in = new DataInputStream(socket.getInputStream());
    OutputStream out = socket.getOutputStream();
    in.skipNBytes(PREFACE_BYTES);
    out.write(frame(SETTINGS, new byte[0]));
    out.flush();
    int stream = 0;
    while (stream == 0) {
      int head = in.readInt();
      in.readByte();
      int number = in.readInt();
      in.skipNBytes(head >>> 8);
      stream = (head & 0xff) == HEADERS ? number : 0;
    }
    ByteArrayOutputStream body = new ByteArrayOutputStream();
    DataOutputStream words = new DataOutputStream(body);
    // This stream was seen, so that it is not sent again of itself.
    words.writeInt(stream);
    words.writeInt(PROTOCOL_ERROR);
    out.write(frame(GOAWAY, body.toByteArray()));
    out.flush();
    closed.incrementAndGet();
    socket.shutdownOutput();
    in.transferTo(OutputStream.nullOutputStream());
    socket.close();
  }

  private static byte[] frame(int type, byte[] body) throws IOException {
    ByteArrayOutputStream all = new ByteArrayOutputStream();
    DataOutputStream out = new DataOutputStream(all);
    out.writeInt(body.length << 8 | type);
    out.writeByte(0);
    out.writeInt(0);
    out.write(body);
    return all.toByteArray();
  }

  private static void pass(Socket from, Socket to) {
    try (from;
        to) {
      InputStream in = from.getInputStream();
      in.transferTo(to.getOutputStream());
    } catch (IOException e) {
      // One side has closed.
    }
  }

  private synchronized Socket keep(Socket socket) {
    sockets.add(socket);
    return socket;
  }

  @Override
  public synchronized void close() {
    try {
      listening.close();
      for (Socket socket : sockets) {
        socket.close();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
