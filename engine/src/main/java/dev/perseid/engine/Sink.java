package dev.perseid.engine;

import java.io.BufferedInputStream;
import java.io.ByteArrayInputStream;
import java.io.FileInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.RandomAccessFile;
import java.io.SequenceInputStream;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/// Where the octets of records go, and where they are read again.
sealed interface Sink {
  /// Appends octets.
  void write(byte[] octets, int size) throws IOException;

  /// Returns when what was written survives a loss of power.
  void sync() throws IOException;

  void close() throws IOException;

  /// What was written so far, from the start.
  InputStream open() throws IOException;

  /// What it is called in messages.
  String where();

  /// What to do when it takes no more.
  String remedy();

  /// A file. Not a channel: a thread that is interrupted while it writes would close a channel for
  /// everybody, and tasks are interrupted.
  final class Disk implements Sink {
    private final Path path;
    private final RandomAccessFile file;

    Disk(Path path) throws IOException {
      this.path = path;
      this.file = new RandomAccessFile(path.toFile(), "rw");
      if (file.length() > 0) { // a device has no length, and cannot be cut
        file.setLength(0);
      }
    }

    @Override
    public void write(byte[] octets, int size) throws IOException {
      file.write(octets, 0, size);
    }

    @Override
    public void sync() throws IOException {
      file.getFD().sync();
    }

    @Override
    public void close() throws IOException {
      file.close();
    }

    @Override
    public InputStream open() throws IOException {
      return new BufferedInputStream(new FileInputStream(path.toFile()), 1 << 16);
    }

    @Override
    public String where() {
      return path.toString();
    }

    @Override
    public String remedy() {
      return "free some space there, or name another file in EngineConfig.records";
    }
  }

  /// The heap, up to a limit.
  final class Memory implements Sink {
    private final long most;
    private final List<byte[]> parts = new ArrayList<>(); // guarded by itself
    private long size; // guarded by parts

    Memory(long most) {
      this.most = most;
    }

    @Override
    public void write(byte[] octets, int count) throws IOException {
      synchronized (parts) {
        if (count > most - size) {
          throw new IOException("they take more than " + most + " bytes");
        }
        byte[] part = new byte[count];
        System.arraycopy(octets, 0, part, 0, count);
        parts.add(part);
        size += count;
      }
    }

    @Override
    public void sync() {}

    @Override
    public void close() {}

    @Override
    public InputStream open() {
      List<InputStream> streams = new ArrayList<>();
      synchronized (parts) {
        for (byte[] part : parts) {
          streams.add(new ByteArrayInputStream(part));
        }
      }
      return new BufferedInputStream(
          new SequenceInputStream(Collections.enumeration(streams)), 1 << 12);
    }

    @Override
    public String where() {
      return "memory";
    }

    @Override
    public String remedy() {
      return "allow more in EngineConfig.recordsInMemory, or name a file in EngineConfig.records";
    }
  }
}
