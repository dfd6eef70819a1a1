package dev.perseid.journal;

import java.io.Closeable;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/// A file that only grows, with a buffer before it. [#reserve] does all the writing that can fail,
/// [#append] none: so a writer of several files reserves in all of them first, and a full disk
/// leaves them agreeing. One writer, any number of readers, who also see what is still in the
/// buffer.
final class AppendFile implements Closeable {
  /// How bytes reach the disk: the seam where tests fill it.
  interface Disk {
    /// Writes some of the bytes at the position.
    int write(FileChannel channel, ByteBuffer bytes, long position) throws IOException;
  }

  private final Path path;
  private final FileChannel channel;
  private final Disk disk;
  private final ReentrantReadWriteLock lock = new ReentrantReadWriteLock();

  /// Bytes from `written` on; its position is how many.
  private ByteBuffer buffer = ByteBuffer.allocate(Limits.BUFFER_BYTES);

  /// How much of the file was written, i.e. where the buffer begins.
  private volatile long written;

  AppendFile(Path path, Disk disk) throws IOException {
    this.path = path;
    this.disk = disk;
    this.channel =
        FileChannel.open(
            path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
    this.written = channel.size();
  }

  /// Bytes appended so far, those in the buffer included. The writer's.
  long size() {
    return written + buffer.position();
  }

  /// Makes room for `bytes` more, writing the buffer out if need be.
  ///
  /// @throws IOException if the disk is full; nothing is lost and it may be tried again
  void reserve(int bytes) throws IOException {
    if (buffer.remaining() < bytes) {
      flush();
      if (buffer.capacity() < bytes) {
        lock.writeLock().lock();
        try {
          buffer = ByteBuffer.allocate(bytes);
        } finally {
          lock.writeLock().unlock();
        }
      }
    }
  }

  /// Appends the first `length` bytes, for which room was reserved.
  void append(byte[] bytes, int length) {
    lock.writeLock().lock();
    try {
      buffer.put(bytes, 0, length);
    } finally {
      lock.writeLock().unlock();
    }
  }

  /// Appends 4 bytes, big-endian.
  void appendInt(int value) {
    lock.writeLock().lock();
    try {
      buffer.putInt(value);
    } finally {
      lock.writeLock().unlock();
    }
  }

  /// Hands the buffer to the operating system: what was appended survives this process.
  void flush() throws IOException {
    if (buffer.position() == 0) {
      return;
    }
    // Readers go on reading the buffer while it is being written; a failed write leaves it whole,
    // and the next one overwrites what the failed one left.
    ByteBuffer out = buffer.duplicate().flip();
    long begin = written;
    while (out.hasRemaining()) {
      disk.write(channel, out, begin + out.position());
    }
    lock.writeLock().lock();
    try {
      written = begin + out.limit();
      buffer.clear();
    } finally {
      lock.writeLock().unlock();
    }
  }

  /// Flushes and makes sure that it survives a loss of power.
  void sync() throws IOException {
    flush();
    channel.force(false);
  }

  /// Reads `length` bytes from `position`.
  ///
  /// @throws EOFException if there are fewer
  void read(long position, byte[] into, int length) throws IOException {
    int done = 0;
    if (position + length > written) {
      lock.readLock().lock();
      try {
        long begin = written;
        long end = begin + buffer.position();
        if (position + length > end) {
          throw new EOFException(path + " ends at " + end + ", before " + (position + length));
        }
        // The part from `begin` on is in the buffer.
        int from = (int) Math.max(0, begin - position);
        if (from < length) {
          buffer.get((int) (position + from - begin), into, from, length - from);
          if (from == 0) {
            return;
          }
          length = from;
        }
      } finally {
        lock.readLock().unlock();
      }
    }
    ByteBuffer in = ByteBuffer.wrap(into, 0, length);
    while (done < length) {
      int n = channel.read(in, position + done);
      if (n < 0) {
        throw new EOFException(path + " ends before " + (position + length));
      }
      done += n;
    }
  }

  /// Cuts the file. Only before anybody reads.
  void truncate(long size) throws IOException {
    flush();
    if (size < written) {
      channel.truncate(size);
      written = size;
    }
  }

  @Override
  public void close() throws IOException {
    try (channel) {
      flush();
    }
  }

  @Override
  public String toString() {
    return path.toString();
  }
}
