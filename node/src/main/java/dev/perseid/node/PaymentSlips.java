package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// What payments on a chain are under way, on disk, so that a restart neither loses nor doubles
/// one: a line when a payment is sent off, one when the books have it, one when its block is so
/// deep that it is there for good, one when what was left of it was given back. Safe for any
/// thread.
final class PaymentSlips implements Closeable {
  /// How names of payments in the outbox begin.
  static final String PREFIX = "x402-";

  /// How far a payment is.
  enum Stage {
    /// Sent off, or about to be.
    OPEN,
    /// In a block and in the books; the block may be reorganised away.
    BOOKED,
    /// There for good.
    SURE
  }

  /// A payment.
  ///
  /// @param payer who pays
  /// @param nonce of its authorization (EIP-3009)
  /// @param value how much moves
  /// @param fee what of it the pool keeps
  /// @param validBeforeS when its authorization ends, seconds since the epoch
  /// @param fromBlock the chain's height when it was sent off
  record Slip(
      Address payer,
      Hash nonce,
      long value,
      long fee,
      long validBeforeS,
      long fromBlock,
      Stage stage) {
    Slip at(Stage next) {
      return new Slip(payer, nonce, value, fee, validBeforeS, fromBlock, next);
    }

    /// What of it the books have.
    long credited() {
      return value - fee;
    }

    /// What it is called in the outbox.
    String name() {
      return PREFIX + payer.toString().substring(2) + "-" + nonce.hex();
    }
  }

  private final FileChannel out;
  private final LinkedHashMap<String, Slip> slips = new LinkedHashMap<>();

  private PaymentSlips(FileChannel out, Map<String, Slip> slips) {
    this.out = out;
    this.slips.putAll(slips);
  }

  /// Opens the file, which is made if there is none, and drops what is over from it.
  static PaymentSlips open(Path file) throws IOException {
    Map<String, Slip> found = new LinkedHashMap<>();
    if (Files.exists(file)) {
      String text = Files.readString(file, StandardCharsets.US_ASCII);
      // A last line that was cut off when the machine stopped was acknowledged to nobody: each is
      // on
      // the disk before anything follows from it.
      for (String line : text.substring(0, text.lastIndexOf('\n') + 1).lines().toList()) {
        read(line, found, file);
      }
    }
    Path fresh = file.resolveSibling(file.getFileName() + ".new");
    StringBuilder text = new StringBuilder();
    for (Slip slip : found.values()) {
      text.append(opened(slip));
      switch (slip.stage()) {
        case OPEN -> {}
        case BOOKED -> text.append("booked ").append(slip.name()).append('\n');
        case SURE -> text.append("sure ").append(slip.name()).append('\n');
      }
    }
    try (FileChannel channel =
        FileChannel.open(
            fresh,
            StandardOpenOption.CREATE,
            StandardOpenOption.TRUNCATE_EXISTING,
            StandardOpenOption.WRITE)) {
      channel.write(ByteBuffer.wrap(text.toString().getBytes(StandardCharsets.US_ASCII)));
      channel.force(true);
    }
    Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    return new PaymentSlips(
        FileChannel.open(file, StandardOpenOption.WRITE, StandardOpenOption.APPEND), found);
  }

  private static void read(String line, Map<String, Slip> found, Path file) throws IOException {
    String[] words = line.split(" ", -1);
    try {
      switch (words[0]) {
        case "open" -> {
          Slip slip =
              new Slip(
                  Address.parse(words[1]),
                  Hash.parse(words[2]),
                  Long.parseLong(words[3]),
                  Long.parseLong(words[4]),
                  Long.parseLong(words[5]),
                  Long.parseLong(words[6]),
                  Stage.OPEN);
          found.put(slip.name(), slip);
        }
        case "booked" -> found.computeIfPresent(words[1], (_, slip) -> slip.at(Stage.BOOKED));
        case "sure" -> found.computeIfPresent(words[1], (_, slip) -> slip.at(Stage.SURE));
        case "over" -> found.remove(words[1]);
        case "" -> {}
        default -> throw new IOException(file + " is damaged: restore it from a backup");
      }
    } catch (IllegalArgumentException | IndexOutOfBoundsException e) {
      throw new IOException(file + " is damaged: restore it from a backup", e);
    }
  }

  private static String opened(Slip slip) {
    return "open "
        + slip.payer()
        + " 0x"
        + slip.nonce().hex()
        + " "
        + slip.value()
        + " "
        + slip.fee()
        + " "
        + slip.validBeforeS()
        + " "
        + slip.fromBlock()
        + "\n";
  }

  /// All that are not over, oldest first.
  synchronized List<Slip> all() {
    return List.copyOf(slips.values());
  }

  /// A payment is about to be sent off. On the disk when this returns.
  synchronized void open(Slip slip) throws IOException {
    write(opened(slip));
    slips.put(slip.name(), slip);
  }

  /// The books have a payment.
  synchronized void booked(Slip slip) throws IOException {
    write("booked " + slip.name() + "\n");
    slips.put(slip.name(), slip.at(Stage.BOOKED));
  }

  /// A payment that the books have is there for good.
  synchronized void sure(Slip slip) throws IOException {
    write("sure " + slip.name() + "\n");
    slips.put(slip.name(), slip.at(Stage.SURE));
  }

  /// Nothing more follows from a payment.
  synchronized void over(Slip slip) throws IOException {
    write("over " + slip.name() + "\n");
    slips.remove(slip.name());
  }

  private void write(String line) throws IOException {
    ByteBuffer bytes = ByteBuffer.wrap(line.getBytes(StandardCharsets.US_ASCII));
    while (bytes.hasRemaining()) {
      out.write(bytes);
    }
    out.force(false);
  }

  @Override
  public void close() throws IOException {
    out.close();
  }
}
