package dev.perseid.chain;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.core.JacksonException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.chain.Outbox.Again;
import dev.perseid.chain.Outbox.Attempt;
import dev.perseid.chain.Outbox.Intent;
import dev.perseid.chain.Outbox.State;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/// An outbox on the disk: lines of JSON (`docs/chain.md`). What a method has written is on the disk
/// when it returns. A last line that was cut off is dropped; any other damage is an error.
final class OutboxJournal implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final int VERSION = 1;

  private final FileChannel file;
  private final FileChannel locked;

  private OutboxJournal(FileChannel file, FileChannel locked) {
    this.file = file;
    this.locked = locked;
  }

  /// Opens a journal, or makes one, and reads it into `intents`.
  static OutboxJournal open(Path path, long chainId, Address account, Map<String, Intent> intents)
      throws IOException {
    Path parent = path.toAbsolutePath().getParent();
    if (parent != null) {
      Files.createDirectories(parent);
    }
    // The lock has a file of its own, as the journal may be replaced.
    FileChannel locked = channel(path.resolveSibling(path.getFileName() + ".lock"));
    FileChannel file = null;
    boolean done = false;
    try {
      lock(locked, path);
      file = channel(path);
      read(file, path, chainId, account, intents);
      if (file.size() > Limits.JOURNAL_BYTES) {
        file.close();
        shorten(path, chainId, account, intents);
        file = channel(path);
      }
      file.position(file.size());
      OutboxJournal journal = new OutboxJournal(file, locked);
      if (file.size() == 0) {
        journal.write(header(chainId, account));
        syncFolder(path);
      }
      done = true;
      return journal;
    } finally {
      if (!done) {
        if (file != null) {
          file.close();
        }
        locked.close();
      }
    }
  }

  private static FileChannel channel(Path path) throws IOException {
    FileAttribute<?>[] owner =
        path.getFileSystem().supportedFileAttributeViews().contains("posix")
            ? new FileAttribute<?>[] {
              PosixFilePermissions.asFileAttribute(PosixFilePermissions.fromString("rw-------"))
            }
            : new FileAttribute<?>[0];
    return FileChannel.open(
        path,
        Set.of(StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE),
        owner);
  }

  private static void lock(FileChannel file, Path path) throws IOException {
    FileLock lock;
    try {
      lock = file.tryLock();
    } catch (OverlappingFileLockException e) {
      lock = null;
    }
    if (lock == null) {
      throw new IOException(
          "the outbox " + path + " is in use by another program: wait until it has ended");
    }
  }

  private static void read(
      FileChannel file, Path path, long chainId, Address account, Map<String, Intent> intents)
      throws IOException {
    byte[] all = new byte[Math.toIntExact(file.size())];
    ByteBuffer buffer = ByteBuffer.wrap(all);
    while (buffer.hasRemaining() && file.read(buffer, buffer.position()) >= 0) {
      // until the end
    }
    int from = 0;
    int number = 0;
    for (int i = 0; i < all.length; i++) {
      if (all[i] != '\n') {
        continue;
      }
      number++;
      try {
        JsonNode line = JSON.readTree(new String(all, from, i - from, UTF_8));
        if (number == 1) {
          check(line, path, chainId, account);
        } else {
          take(line, intents);
        }
      } catch (JacksonException | IllegalArgumentException | ChainException e) {
        throw new IOException(
            "the outbox "
                + path
                + " is damaged in line "
                + number
                + ": restore it from a backup, or look up on the chain what "
                + account
                + " has sent and begin a new one",
            e);
      }
      from = i + 1;
    }
    // What was cut off was never sent: it goes to the disk before it leaves.
    file.truncate(from);
  }

  private static ObjectNode header(long chainId, Address account) {
    return JSON.createObjectNode()
        .put("t", "outbox")
        .put("version", VERSION)
        .put("chain_id", chainId)
        .put("account", account.toString());
  }

  private static void check(JsonNode line, Path path, long chainId, Address account)
      throws IOException {
    if (!line.path("t").asText().equals("outbox") || line.path("version").asInt() != VERSION) {
      throw new IOException(path + " is no outbox of this version");
    }
    if (line.path("chain_id").asLong() != chainId
        || !line.path("account").asText().equals(account.toString())) {
      throw new IOException(
          "the outbox "
              + path
              + " is of "
              + line.path("account").asText()
              + " on chain "
              + line.path("chain_id").asLong()
              + ", not of "
              + account
              + " on chain "
              + chainId);
    }
  }

  // ---- writing ----------------------------------------------------------------------------------

  /// One more attempt of an intent.
  void signed(Intent intent, Attempt attempt) throws IOException {
    write(line(intent, attempt, intent.attempts.isEmpty()));
  }

  /// An intent is final.
  void ended(Intent intent, State end) throws IOException {
    write(line(intent, end));
  }

  private static ObjectNode line(Intent intent, Attempt attempt, boolean first) {
    ObjectNode line = JSON.createObjectNode();
    line.put("t", "signed").put("name", intent.name);
    if (first) {
      call(line, intent);
      line.put("data", Hex.of(intent.call.data()));
    }
    line.put("nonce", attempt.nonce()).put("gas", attempt.gas()).put("at_ms", attempt.atMs());
    switch (attempt.fee()) {
      case Transaction.Fee.Dynamic(BigInteger most, BigInteger tip) ->
          line.put("most_wei", most.toString()).put("tip_wei", tip.toString());
      case Transaction.Fee.Flat(BigInteger price) -> line.put("price_wei", price.toString());
    }
    return line.put("hash", Hex.of(attempt.hash())).put("raw", Hex.of(attempt.bytes()));
  }

  private static void call(ObjectNode line, Intent intent) {
    line.put("what", intent.call.what()).put("again", intent.again.name());
    intent.call.to().ifPresent(to -> line.put("to", to.toString()));
    line.put("value_wei", intent.call.valueWei().toString());
  }

  private static ObjectNode line(Intent intent, State end) {
    ObjectNode line = JSON.createObjectNode();
    line.put("t", "final").put("name", intent.name);
    call(line, intent); // so that this line can stand alone
    switch (end) {
      case State.Done(Receipt receipt) -> write(line.put("state", "done"), receipt);
      case State.Failed(Receipt receipt, Optional<Revert> why) -> {
        write(line.put("state", "failed"), receipt);
        why.ifPresent(w -> {
          ObjectNode said = line.putObject("why");
          said.put("error", w.error()).put("sentence", w.sentence());
          ArrayNode arguments = said.putArray("arguments");
          w.arguments().forEach(arguments::add);
        });
      }
      case State.Displaced(long nonce) -> line.put("state", "displaced").put("nonce", nonce);
      case State.Waiting w -> throw new IllegalStateException("not final: " + w);
      case State.Included i -> throw new IllegalStateException("not final: " + i);
    }
    return line;
  }

  private static void write(ObjectNode line, Receipt r) {
    line.put("hash", Hex.of(r.transaction())).put("block", r.block());
    line.put("block_hash", Hex.of(r.blockHash())).put("gas_used", r.gasUsed());
    r.created().ifPresent(created -> line.put("created", created.toString()));
    r.gasPriceWei().ifPresent(price -> line.put("gas_price_wei", price.toString()));
    ArrayNode logs = line.putArray("logs");
    for (Log log : r.logs()) {
      ObjectNode one = logs.addObject();
      one.put("contract", log.contract().toString()).put("index", log.index());
      ArrayNode topics = one.putArray("topics");
      log.topics().forEach(topic -> topics.add(Hex.of(topic)));
      one.put("data", Hex.of(log.data()));
    }
  }

  private void write(ObjectNode line) throws IOException {
    long begun = file.position();
    try {
      ByteBuffer bytes = ByteBuffer.wrap((line + "\n").getBytes(UTF_8));
      while (bytes.hasRemaining()) {
        file.write(bytes);
      }
      file.force(true);
    } catch (IOException e) {
      // A half line must not stand before the next one.
      file.truncate(begun);
      throw e;
    }
  }

  // ---- reading ----------------------------------------------------------------------------------

  private static void take(JsonNode line, Map<String, Intent> intents) throws ChainException {
    String name = need(line, "name");
    switch (need(line, "t")) {
      case "signed" -> {
        Intent intent = intents.get(name);
        if (intent == null) {
          intent = intent(line, Hex.bytes(need(line, "data")));
          intents.put(name, intent);
        }
        intent.add(attempt(line));
      }
      case "final" -> {
        Intent known = intents.get(name);
        Intent intent = known == null ? intent(line, new byte[0]) : known;
        intent.state = end(line);
        intents.put(name, intent);
      }
      default -> throw new IllegalArgumentException("an unknown kind of line");
    }
  }

  private static Intent intent(JsonNode line, byte[] data) {
    return new Intent(
        need(line, "name"),
        new Call(
            need(line, "what"),
            line.has("to") ? Optional.of(Address.parse(need(line, "to"))) : Optional.empty(),
            new BigInteger(need(line, "value_wei")),
            data),
        Again.valueOf(need(line, "again")));
  }

  private static Attempt attempt(JsonNode line) throws ChainException {
    Transaction.Fee fee =
        line.has("price_wei")
            ? new Transaction.Fee.Flat(new BigInteger(need(line, "price_wei")))
            : new Transaction.Fee.Dynamic(
                new BigInteger(need(line, "most_wei")), new BigInteger(need(line, "tip_wei")));
    return new Attempt(
        fee,
        line.path("nonce").longValue(),
        line.path("gas").longValue(),
        Hex.bytes(need(line, "raw")),
        Hex.hash(need(line, "hash")),
        line.path("at_ms").longValue());
  }

  private static State end(JsonNode line) throws ChainException {
    return switch (need(line, "state")) {
      case "done" -> new State.Done(receipt(line, true));
      case "failed" -> {
        JsonNode why = line.path("why");
        List<String> arguments = new ArrayList<>();
        why.path("arguments").forEach(a -> arguments.add(a.asText()));
        yield new State.Failed(
            receipt(line, false),
            why.isObject()
                ? Optional.of(
                    new Revert(
                        why.path("error").asText(),
                        List.copyOf(arguments),
                        why.path("sentence").asText()))
                : Optional.empty());
      }
      case "displaced" -> new State.Displaced(line.path("nonce").longValue());
      default -> throw new IllegalArgumentException("an unknown state");
    };
  }

  private static Receipt receipt(JsonNode line, boolean succeeded) throws ChainException {
    Hash transaction = Hex.hash(need(line, "hash"));
    long block = line.path("block").longValue();
    Hash blockHash = Hex.hash(need(line, "block_hash"));
    List<Log> logs = new ArrayList<>();
    for (JsonNode one : line.path("logs")) {
      List<Hash> topics = new ArrayList<>();
      for (JsonNode topic : one.path("topics")) {
        topics.add(Hex.hash(topic.asText()));
      }
      logs.add(
          new Log(
              Address.parse(need(one, "contract")),
              List.copyOf(topics),
              Hex.bytes(need(one, "data")),
              block,
              blockHash,
              transaction,
              one.path("index").longValue()));
    }
    return new Receipt(
        transaction,
        block,
        blockHash,
        succeeded,
        line.has("created") ? Optional.of(Address.parse(need(line, "created"))) : Optional.empty(),
        line.path("gas_used").longValue(),
        line.has("gas_price_wei")
            ? Optional.of(new BigInteger(need(line, "gas_price_wei")))
            : Optional.empty(),
        logs);
  }

  private static String need(JsonNode line, String field) {
    JsonNode node = line.path(field);
    if (!node.isTextual()) {
      throw new IllegalArgumentException("'" + field + "' is missing");
    }
    return node.textValue();
  }

  // ---- shortening -------------------------------------------------------------------------------

  /// Writes a journal anew, in which what is final has one line.
  private static void shorten(Path path, long chainId, Address account, Map<String, Intent> intents)
      throws IOException {
    Path fresh = path.resolveSibling(path.getFileName() + ".new");
    Files.deleteIfExists(fresh);
    try (FileChannel out = channel(fresh)) {
      OutboxJournal journal = new OutboxJournal(out, out);
      journal.write(header(chainId, account));
      for (Intent intent : intents.values()) {
        if (intent.state.isFinal()) {
          journal.write(line(intent, intent.state));
        } else {
          boolean first = true;
          for (Attempt attempt : intent.attempts) {
            journal.write(line(intent, attempt, first));
            first = false;
          }
        }
      }
    }
    Files.move(fresh, path, StandardCopyOption.ATOMIC_MOVE);
    syncFolder(path);
  }

  private static void syncFolder(Path path) throws IOException {
    Path parent = path.toAbsolutePath().getParent();
    if (parent != null && !System.getProperty("os.name").startsWith("Windows")) {
      try (FileChannel folder = FileChannel.open(parent)) {
        folder.force(true);
      }
    }
  }

  @Override
  public void close() throws IOException {
    file.close();
    locked.close();
  }
}
