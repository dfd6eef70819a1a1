package dev.perseid.cli;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import dev.perseid.node.ReceiptCounter;
import dev.perseid.node.VoucherTerms;
import dev.perseid.node.Wallet;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.Optional;
import java.util.function.Consumer;

/// What this user's vouchers to each pool are signed for, as it was when they were signed for the
/// first time: `pools/0xADDRESS.json` in the home folder. A pool that suddenly names another chain,
/// contract or identity gets no signature.
final class Agreed {
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long FILE_BYTES = 4_096;

  private Agreed() {}

  private static Path file(Home home, Address pool) {
    return home.folder().resolve("pools").resolve(pool + ".json");
  }

  static Optional<VoucherTerms> read(Home home, Address pool) throws BadInput {
    Path file = file(home, pool);
    if (!Files.isRegularFile(file)) {
      return Optional.empty();
    }
    try {
      JsonNode root = Files.size(file) <= FILE_BYTES ? JSON.readTree(file.toFile()) : null;
      if (root == null || !root.path("chain_id").canConvertToLong()) {
        throw new IllegalArgumentException("it has no chain_id");
      }
      long chainId = root.path("chain_id").longValue();
      return Optional.of(
          new VoucherTerms(
              chainId != 0,
              true,
              chainId,
              Address.parse(root.path("contract").asText()),
              root.hasNonNull("token")
                  ? Optional.of(Address.parse(root.path("token").asText()))
                  : Optional.empty(),
              Address.parse(root.path("identity").asText())));
    } catch (IOException | IllegalArgumentException e) {
      throw new BadInput(
          file
              + " cannot be used ("
              + e.getMessage()
              + "): delete it, and write `perseid voucher --accept` if the pool's terms are right");
    }
  }

  static void write(Home home, Address pool, VoucherTerms terms) throws BadInput {
    Path file = file(home, pool);
    ObjectNode root = JSON.createObjectNode();
    root.put("chain_id", terms.chainId()).put("contract", terms.contract().toString());
    terms.token().ifPresent(token -> root.put("token", token.toString()));
    root.put("identity", terms.identity().toString());
    try {
      Files.createDirectories(file.getParent());
      Path fresh = file.resolveSibling(file.getFileName() + ".new");
      Files.writeString(fresh, root.toPrettyString() + "\n");
      Files.move(fresh, file, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new BadInput(file + " cannot be written: " + e.getMessage());
    }
  }

  /// Opens the wallet of a connection's key, if this pool asks for vouchers. The first time, the
  /// terms are remembered.
  static Optional<Wallet> wallet(Home home, PoolClient client, Consumer<String> notices)
      throws BadInput, PoolFailure {
    if (!client.terms().vouched()) {
      return Optional.empty();
    }
    Optional<VoucherTerms> agreed = read(home, client.pool());
    Wallet wallet = client.wallet(new ReceiptCounter(client), agreed, notices);
    if (agreed.isEmpty()) {
      write(home, client.pool(), wallet.terms());
    }
    return Optional.of(wallet);
  }
}
