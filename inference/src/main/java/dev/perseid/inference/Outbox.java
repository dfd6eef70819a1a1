package dev.perseid.inference;

import java.util.ArrayDeque;
import java.util.Deque;
import org.jspecify.annotations.Nullable;

/// Tells a listener what happened, one thing after another, on a thread of its own: a slow listener
/// delays nobody else. It holds at most what one answer may be long.
final class Outbox {
  private final Object lock = new Object();
  private final Deque<Runnable> letters = new ArrayDeque<>();
  private boolean running;

  void put(Runnable letter) {
    synchronized (lock) {
      letters.add(letter);
      if (running) {
        return;
      }
      running = true;
    }
    Thread.ofVirtual().start(this::deliver);
  }

  private @Nullable Runnable next() {
    synchronized (lock) {
      Runnable letter = letters.poll();
      if (letter == null) {
        running = false;
      }
      return letter;
    }
  }

  private void deliver() {
    for (Runnable letter = next(); letter != null; letter = next()) {
      try {
        letter.run();
      } catch (RuntimeException e) {
        // A listener that throws has said all that it has to say; the next call may do better.
        System.getLogger(Outbox.class.getName())
            .log(System.Logger.Level.WARNING, "A listener of an answer failed", e);
      }
    }
  }
}
