package dev.perseid.wire;

import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;

/// Gives up its first connection as soon as a call has begun on it, with a GOAWAY that says
/// PROTOCOL_ERROR (RFC 9113, 6.8); the connections after it are passed on to a server.
final class AbruptServer implements AutoCloseable {
  private static final int PREFACE_BYTES = 24;
  private static final int HEADER_BYTES = 9;
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
    out.write(frame(SETTINGS));
    out.flush();
    int stream = 0;
    while (stream == 0) {
      int head = in.readInt();
      in.readByte();
      int number = in.readInt();
      in.skipNBytes(head >>> 8);
      stream = (head & 0xff) == HEADERS ? number : 0;
    }
    // This stream was seen, so that it is not sent again of itself.
    out.write(frame(GOAWAY, stream, PROTOCOL_ERROR));
    out.flush();
    closed.incrementAndGet();
    socket.shutdownOutput();
    in.transferTo(OutputStream.nullOutputStream());
    socket.close();
  }

  /// A frame of the connection, not of a stream, without flags.
  private static byte[] frame(int type, int... words) {
    int bytes = words.length * Integer.BYTES;
    ByteBuffer out = ByteBuffer.allocate(HEADER_BYTES + bytes);
    out.putInt(bytes << 8 | type).put((byte) 0).putInt(0);
    for (int word : words) {
      out.putInt(word);
    }
    return out.array();
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
