package dev.perseid.node;

import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.Closeable;
import java.io.DataInput;
import java.io.DataInputStream;
import java.io.DataOutput;
import java.io.DataOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.util.ArrayList;
import java.util.List;
import java.util.UUID;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import java.util.zip.CRC32C;
import java.util.zip.CheckedInputStream;
import java.util.zip.CheckedOutputStream;
import org.apache.ratis.conf.RaftProperties;
import org.apache.ratis.protocol.ClientId;
import org.apache.ratis.protocol.Message;
import org.apache.ratis.protocol.RaftClientReply;
import org.apache.ratis.protocol.RaftClientRequest;
import org.apache.ratis.protocol.RaftGroup;
import org.apache.ratis.protocol.RaftGroupId;
import org.apache.ratis.protocol.RaftPeer;
import org.apache.ratis.protocol.RaftPeerId;
import org.apache.ratis.protocol.SnapshotManagementRequest;
import org.apache.ratis.server.RaftServer;
import org.apache.ratis.server.RaftServerConfigKeys;
import org.apache.ratis.server.protocol.TermIndex;
import org.apache.ratis.server.storage.FileInfo;
import org.apache.ratis.server.storage.RaftStorage;
import org.apache.ratis.statemachine.StateMachineStorage;
import org.apache.ratis.statemachine.TransactionContext;
import org.apache.ratis.statemachine.impl.BaseStateMachine;
import org.apache.ratis.statemachine.impl.SimpleStateMachineStorage;
import org.apache.ratis.statemachine.impl.SingleFileSnapshotInfo;
import org.apache.ratis.thirdparty.com.google.protobuf.ByteString;
import org.apache.ratis.thirdparty.com.google.protobuf.UnsafeByteOperations;
import org.apache.ratis.util.ExitUtils;
import org.apache.ratis.util.MD5FileUtil;
import org.apache.ratis.util.SizeInBytes;
import org.apache.ratis.util.TimeDuration;
import org.jspecify.annotations.Nullable;

/// The pool's log on Apache Ratis: a Raft group, of one member by default.
///
/// The pool has one writer, and it has applied a batch to its state before it proposes it. So an
/// entry of this very process is not applied again when Raft commits it; every other entry, i.e.
/// everything at the start, is replayed exactly once, after the latest snapshot.
///
/// An entry is a byte (1 for the last entry of a batch, else 0), the eight bytes of the process's
/// random number, the eight bytes of the batch's number, and a piece of the batch. A batch whose
/// last entry is missing was never acknowledged and is ignored.
final class RatisLog implements PoolLoop.Log, Closeable {
  /// What the log needs of its owner.
  interface Owner {
    /// Sets the state back to a snapshot. At the start only, on a thread of the log's.
    void restore(DataInput in) throws IOException;

    /// Applies one batch of events. At the start only, on a thread of the log's.
    void replay(byte[] events);

    /// Runs something on the loop's thread.
    void onLoop(Runnable r);

    /// The log has failed for good. On any thread, perhaps more than once.
    void failed(String why);
  }

  private static final int HEADER_BYTES = 17;
  private static final long SNAPSHOT_MAGIC = 0x5045525345494453L; // "PERSEIDS"
  private static final RaftPeerId SELF = RaftPeerId.valueOf("self");

  private static final RaftGroupId GROUP =
      RaftGroupId.valueOf(UUID.fromString("70657273-6569-4064-8000-706f6f6c0001"));

  private final Owner owner;
  private final Path dir;
  private final RaftServer server;
  private final Machine machine;
  private final ClientId client = ClientId.randomId();
  private final AtomicLong calls = new AtomicLong();
  private final long process = new SecureRandom().nextLong();
  private long batch;
  // Of the loop's thread; at the start, until the log is ready, of the replaying one.
  private long bytesSinceSnapshot;
  private long snapshotBytes;
  private boolean snapshotting;
  private volatile boolean closing;

  private RatisLog(Path dir, Owner owner) throws IOException {
    this.dir = dir;
    this.owner = owner;
    this.machine = new Machine();
    this.server =
        RaftServer.newBuilder()
            .setServerId(SELF)
            .setGroup(
                RaftGroup.valueOf(
                    GROUP, RaftPeer.newBuilder().setId(SELF).setAddress("localhost:0").build()))
            .setProperties(properties(dir))
            .setStateMachine(machine)
            .setOption(RaftStorage.StartupOption.RECOVER)
            .build();
  }

  /// Opens the log in `dir`, making it if there is none, and replays it into `owner`. Returns when
  /// the state is whole and the log takes new entries.
  ///
  /// @throws PoolStartException if the log is damaged or does not get ready
  static RatisLog open(Path dir, Owner owner) throws IOException {
    // A library must not end the process; a failed log is reported through notifyLogFailed.
    ExitUtils.disableSystemExit();
    Files.createDirectories(dir);
    RatisLog log = new RatisLog(dir, owner);
    try {
      log.server.start();
      log.machine.ready.get(PoolLimits.LOG_READY_MS, TimeUnit.MILLISECONDS);
    } catch (ExecutionException e) {
      discard(log);
      throw new PoolStartException("the log in " + dir + " cannot be replayed: " + cause(e), e);
    } catch (TimeoutException e) {
      discard(log);
      throw new PoolStartException(
          "the log in " + dir + " was not ready after " + PoolLimits.LOG_READY_MS + " ms", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      discard(log);
      throw new PoolStartException("interrupted while the log in " + dir + " was replayed", e);
    } catch (IOException | RuntimeException e) {
      discard(log);
      throw new PoolStartException("the log in " + dir + " cannot be opened: " + cause(e), e);
    }
    return log;
  }

  private static void discard(RatisLog log) {
    try {
      log.close();
    } catch (IOException e) {
      // What failed before is what matters.
    }
  }

  private static String cause(Throwable e) {
    Throwable t = e;
    while (t.getCause() != null) {
      t = t.getCause();
    }
    return t.getMessage() == null ? t.toString() : t.getMessage();
  }

  private static RaftProperties properties(Path dir) {
    RaftProperties p = new RaftProperties();
    p.set("raft.rpc.type", RatisAlone.class.getName());
    RaftServerConfigKeys.setStorageDir(p, List.of(dir.toFile()));
    // Alone, there is no vote to wait for.
    TimeDuration soon = TimeDuration.valueOf(20, TimeUnit.MILLISECONDS);
    TimeDuration later = TimeDuration.valueOf(40, TimeUnit.MILLISECONDS);
    RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMin(p, soon);
    RaftServerConfigKeys.Rpc.setFirstElectionTimeoutMax(p, later);
    RaftServerConfigKeys.Rpc.setTimeoutMin(p, TimeDuration.valueOf(1, TimeUnit.SECONDS));
    RaftServerConfigKeys.Rpc.setTimeoutMax(p, TimeDuration.valueOf(2, TimeUnit.SECONDS));
    RaftServerConfigKeys.LeaderElection.setPreVote(p, false);
    // A machine that sleeps is no reason to give up.
    TimeDuration never = TimeDuration.valueOf(3650, TimeUnit.DAYS);
    RaftServerConfigKeys.setCloseThreshold(p, never);
    RaftServerConfigKeys.LeaderElection.setLeaderStepDownWaitTime(p, never);
    RaftServerConfigKeys.RetryCache.setExpiryTime(p, TimeDuration.valueOf(1, TimeUnit.SECONDS));
    SizeInBytes segment = SizeInBytes.valueOf(PoolLimits.LOG_SEGMENT_BYTES);
    SizeInBytes entry = SizeInBytes.valueOf(PoolLimits.LOG_ENTRY_BYTES + (64 << 10));
    RaftServerConfigKeys.Log.setSegmentSizeMax(p, segment);
    RaftServerConfigKeys.Log.setPreallocatedSize(p, SizeInBytes.valueOf(1 << 20));
    RaftServerConfigKeys.Log.Appender.setBufferByteLimit(p, entry);
    RaftServerConfigKeys.Log.setWriteBufferSize(
        p, SizeInBytes.valueOf(PoolLimits.LOG_ENTRY_BYTES + (128 << 10)));
    RaftServerConfigKeys.Log.setSegmentCacheNumMax(p, 2);
    RaftServerConfigKeys.Log.setSegmentCacheSizeMax(p, segment);
    // A kill in the middle of a write leaves a torn last entry, which was never acknowledged.
    RaftServerConfigKeys.Log.setCorruptionPolicy(
        p, RaftServerConfigKeys.Log.CorruptionPolicy.WARN_AND_RETURN);
    RaftServerConfigKeys.Log.setPurgeUptoSnapshotIndex(p, true);
    RaftServerConfigKeys.Log.setPurgeGap(p, 1);
    RaftServerConfigKeys.Snapshot.setAutoTriggerEnabled(p, false);
    RaftServerConfigKeys.Snapshot.setRetentionFileNum(p, PoolLimits.SNAPSHOTS);
    RaftServerConfigKeys.Snapshot.setCreationGap(p, 1);
    return p;
  }

  @Override
  public void append(byte[] events, Runnable durable) {
    bytesSinceSnapshot += events.length;
    long number = batch++;
    int pieces = Math.max(1, Math.ceilDiv(events.length, PoolLimits.LOG_ENTRY_BYTES));
    append(events, number, 0, pieces, durable);
  }

  private void append(byte[] events, long number, int piece, int pieces, Runnable durable) {
    int from = piece * PoolLimits.LOG_ENTRY_BYTES;
    int length = Math.min(PoolLimits.LOG_ENTRY_BYTES, events.length - from);
    boolean last = piece == pieces - 1;
    byte[] entry =
        ByteBuffer.allocate(HEADER_BYTES + length)
            .put((byte) (last ? 1 : 0))
            .putLong(process)
            .putLong(number)
            .put(events, from, length)
            .array();
    CompletableFuture<RaftClientReply> sent;
    try {
      sent =
          server.submitClientRequestAsync(
              RaftClientRequest.newBuilder()
                  .setClientId(client)
                  .setServerId(SELF)
                  .setGroupId(GROUP)
                  .setCallId(calls.incrementAndGet())
                  .setMessage(Message.valueOf(UnsafeByteOperations.unsafeWrap(entry)))
                  .setType(RaftClientRequest.writeRequestType())
                  .build());
    } catch (IOException e) {
      failed(e);
      return;
    }
    var _ =
        sent.whenComplete((reply, error) -> {
          if (error != null) {
            failed(error);
          } else if (!reply.isSuccess()) {
            failed(
                reply.getException() == null
                    ? new IOException("refused by Raft")
                    : reply.getException());
          } else if (last) {
            owner.onLoop(durable);
          } else {
            append(events, number, piece + 1, pieces, durable);
          }
        });
  }

  private void failed(Throwable e) {
    if (!closing) {
      owner.failed(
          "its log in "
              + dir
              + " cannot be written ("
              + cause(e)
              + "); make room on the disk or repair it, then start the pool again: nothing that it"
              + " has acknowledged is lost");
    }
  }

  /// Whether enough was logged since the last snapshot for another to be worth it: so much that
  /// replaying it would take a moment, and more than a snapshot of the present size costs to write.
  boolean wantsSnapshot() {
    return bytesSinceSnapshot >= Math.max(PoolLimits.SNAPSHOT_LOG_BYTES, snapshotBytes)
        && !snapshotting;
  }

  /// Writes a snapshot of the present state; on the loop's thread, while nothing is outstanding.
  /// The rest (reaching the disk, cutting the log) goes on in the background.
  void snapshot(SnapshotWriter writer) {
    Path file = dir.resolve("snapshot.new");
    TermIndex at = machine.getLastAppliedTermIndex();
    bytesSinceSnapshot = 0;
    snapshotting = true;
    CRC32C crc = new CRC32C();
    try (FileChannel channel =
            FileChannel.open(
                file,
                StandardOpenOption.CREATE,
                StandardOpenOption.TRUNCATE_EXISTING,
                StandardOpenOption.WRITE);
        OutputStream raw =
            new BufferedOutputStream(java.nio.channels.Channels.newOutputStream(channel), 1 << 20);
        DataOutputStream out = new DataOutputStream(new CheckedOutputStream(raw, crc))) {
      out.writeLong(SNAPSHOT_MAGIC);
      writer.write(out);
      out.writeLong(crc.getValue());
      out.flush();
      snapshotBytes = channel.size();
    } catch (IOException e) {
      // The log is still whole: it only gets longer. Writing to it will fail by itself if the disk
      // is full.
      snapshotting = false;
      return;
    }
    machine.prepared.set(new Prepared(file, at));
    SnapshotManagementRequest create =
        SnapshotManagementRequest.newCreate(
            client, SELF, GROUP, calls.incrementAndGet(), PoolLimits.LOG_READY_MS);
    var _ =
        server
            .snapshotManagementAsync(create)
            .whenComplete((reply, error) -> owner.onLoop(() -> snapshotting = false));
  }

  /// Writes the state.
  interface SnapshotWriter {
    void write(DataOutput out) throws IOException;
  }

  /// How many snapshots were taken since the start.
  long snapshots() {
    return machine.snapshots.get();
  }

  @Override
  public void close() throws IOException {
    closing = true;
    server.close();
  }

  private record Prepared(Path file, TermIndex at) {}

  /// Raft's view of the state: it is kept elsewhere, and only fed from here at the start.
  private final class Machine extends BaseStateMachine {
    final CompletableFuture<@Nullable Void> ready = new CompletableFuture<>();
    final AtomicReference<@Nullable Prepared> prepared = new AtomicReference<>();
    final AtomicLong snapshots = new AtomicLong();
    private final SimpleStateMachineStorage storage = new SimpleStateMachineStorage();
    private final List<ByteString> pieces = new ArrayList<>();
    private long piecesOfProcess;
    private long piecesOfBatch;

    @Override
    public void initialize(RaftServer s, RaftGroupId group, RaftStorage raftStorage)
        throws IOException {
      super.initialize(s, group, raftStorage);
      storage.init(raftStorage);
      SingleFileSnapshotInfo latest = storage.getLatestSnapshot();
      if (latest == null) {
        return;
      }
      Path file = latest.getFile().getPath();
      read(file);
      snapshotBytes = Files.size(file);
      setLastAppliedTermIndex(
          SimpleStateMachineStorage.getTermIndexFromSnapshotFile(file.toFile()));
    }

    private void read(Path file) throws IOException {
      CRC32C crc = new CRC32C();
      try (InputStream raw = new BufferedInputStream(Files.newInputStream(file), 1 << 20);
          DataInputStream in = new DataInputStream(new CheckedInputStream(raw, crc))) {
        if (in.readLong() != SNAPSHOT_MAGIC) {
          throw new IOException("the snapshot " + file + " is no pool's snapshot");
        }
        owner.restore(in);
        long computed = crc.getValue();
        if (in.readLong() != computed) {
          throw new IOException("the snapshot " + file + " is damaged: its checksum is wrong");
        }
      }
    }

    @Override
    public StateMachineStorage getStateMachineStorage() {
      return storage;
    }

    @Override
    public CompletableFuture<Message> applyTransaction(TransactionContext context) {
      var entry = context.getLogEntry();
      ByteString data = entry.getStateMachineLogEntry().getLogData();
      try {
        apply(data);
      } catch (RuntimeException e) {
        // The log says something that this program cannot follow: no state to stand on.
        ready.completeExceptionally(e);
        throw e;
      }
      updateLastAppliedTermIndex(entry.getTerm(), entry.getIndex());
      return CompletableFuture.completedFuture(Message.EMPTY);
    }

    private void apply(ByteString data) {
      ByteBuffer in = data.asReadOnlyByteBuffer();
      boolean last = in.get() == 1;
      long of = in.getLong();
      long number = in.getLong();
      if (of == process) {
        return; // The state had it before the log.
      }
      bytesSinceSnapshot += data.size();
      if (of != piecesOfProcess || number != piecesOfBatch) {
        pieces.clear();
        piecesOfProcess = of;
        piecesOfBatch = number;
      }
      pieces.add(data.substring(HEADER_BYTES));
      if (last) {
        byte[] events = ByteString.copyFrom(pieces).toByteArray();
        pieces.clear();
        owner.replay(events);
      }
    }

    @Override
    public long takeSnapshot() throws IOException {
      Prepared p = prepared.getAndSet(null);
      if (p == null) {
        SingleFileSnapshotInfo latest = storage.getLatestSnapshot();
        return latest == null ? -1 : latest.getIndex();
      }
      try (FileChannel channel = FileChannel.open(p.file(), StandardOpenOption.WRITE)) {
        channel.force(true);
      }
      File place = storage.getSnapshotFile(p.at().getTerm(), p.at().getIndex());
      Files.move(p.file(), place.toPath(), StandardCopyOption.ATOMIC_MOVE);
      storage.updateLatestSnapshot(
          new SingleFileSnapshotInfo(
              new FileInfo(place.toPath(), MD5FileUtil.computeAndSaveMd5ForFile(place)), p.at()));
      snapshots.incrementAndGet();
      return p.at().getIndex();
    }

    @Override
    public void notifyLeaderReady() {
      ready.complete(null);
    }

    @Override
    public void notifyLogFailed(
        Throwable cause, org.apache.ratis.proto.RaftProtos.@Nullable LogEntryProto entry) {
      failed(cause);
    }

    @Override
    public void notifyServerShutdown(
        org.apache.ratis.proto.RaftProtos.RoleInfoProto role, boolean all) {
      if (!closing) {
        IOException e = new IOException("its writer has stopped");
        ready.completeExceptionally(e);
        failed(e);
      }
    }
  }
}
