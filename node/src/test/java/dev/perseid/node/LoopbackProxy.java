package dev.perseid.node;

import java.io.Closeable;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.net.SocketException;
import java.util.List;
import java.util.concurrent.CopyOnWriteArrayList;

/// Passes TCP connections on to a port on loopback, until it is told to cut them.
final class LoopbackProxy implements Closeable {
  private final ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
  private final List<Socket> open = new CopyOnWriteArrayList<>();
  private final int target;
  private volatile boolean down;

  LoopbackProxy(int target) throws IOException {
    this.target = target;
    Thread.ofVirtual().start(this::accept);
  }

  int port() {
    return listener.getLocalPort();
  }

  /// Lets nobody through any more, or everybody again.
  void down(boolean isDown) throws IOException {
    down = isDown;
    cut();
  }

  /// Resets all connections; new ones are passed on again.
  ///
  /// @return how many sockets that were
  int cut() throws IOException {
    int n = 0;
    for (Socket s : open) {
      open.remove(s);
      try {
        s.setSoLinger(true, 0); // a reset, so that what was under way is lost
        n++;
      } catch (SocketException e) {
        continue; // it ended by itself just now
      }
      s.close();
    }
    return n;
  }

  private void accept() {
    try {
      while (true) {
        Socket from = listener.accept();
        if (down) {
          from.close();
          continue;
        }
        Socket to = new Socket(InetAddress.getLoopbackAddress(), target);
        open.add(from);
        open.add(to);
        Thread.ofVirtual().start(() -> pass(from, to));
        Thread.ofVirtual().start(() -> pass(to, from));
      }
    } catch (IOException e) {
      // closed
    }
  }

  private void pass(Socket from, Socket to) {
    try (from;
        to;
        InputStream in = from.getInputStream()) {
      in.transferTo(to.getOutputStream());
    } catch (IOException e) {
      // one end is gone, so the other goes too
    } finally {
      open.remove(from);
      open.remove(to);
    }
  }

  @Override
  public void close() throws IOException {
    listener.close();
    cut();
  }
}
