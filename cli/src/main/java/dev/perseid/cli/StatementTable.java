package dev.perseid.cli;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Movement;
import dev.perseid.journal.Statement;
import dev.perseid.node.PoolClient;
import dev.perseid.node.PoolFailure;
import java.io.BufferedWriter;
import java.io.IOException;
import java.io.OutputStreamWriter;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// Shows the statement of an account: all that moved money, its sums, and whether they agree with
/// the pool's books and with the chain.
final class StatementTable {
  /// Connects when the rest of the input has been read.
  interface Connector {
    PoolClient connect() throws BadInput, PoolFailure;
  }

  private static final DateTimeFormatter TIME =
      DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss").withZone(ZoneOffset.UTC);

  private final Screen screen;
  private final boolean asJson;

  StatementTable(Screen screen, boolean asJson) {
    this.screen = screen;
    this.asJson = asJson;
  }

  /// @param csv a file; `-` is standard output
  int show(
      Connector connector,
      Optional<String> of,
      Optional<String> from,
      Optional<String> to,
      Optional<String> csv,
      Optional<ChainCheck> chain)
      throws BadInput, PoolFailure, IOException {
    long fromUs = from.isEmpty() ? 0 : us(from.get(), "--from");
    long toUs = to.isEmpty() ? 0 : us(to.get(), "--to");
    Optional<Address> account =
        of.isEmpty() ? Optional.empty() : Optional.of(OnChain.address(of.get(), "--of"));
    Statement statement;
    List<String> wrong = new ArrayList<>();
    List<String> checked = new ArrayList<>();
    try (PoolClient client = connector.connect()) {
      PoolClient.Moved moved = client.moved(account, fromUs, toUs, 0);
      try {
        statement = Statement.of(moved.account(), moved.movements());
      } catch (Statement.Wrong e) {
        throw new PoolFailure(
            PoolFailure.Kind.REFUSED, "BOOKS", "the pool's books do not add up: " + e.getMessage());
      }
      if (toUs == 0) {
        books(client, account, statement, wrong, checked);
      }
      if (chain.isPresent()) {
        if (fromUs != 0 || toUs != 0) {
          throw new BadInput(
              "--check-chain compares sums from the beginning: leave out --from, --to");
        }
        chain.get().compare(client, statement, wrong, checked);
      }
    }
    if (csv.isPresent()) {
      write(statement, csv.get());
    }
    if (asJson) {
      json(statement, wrong, checked);
    } else if (csv.isEmpty()) {
      print(statement);
    }
    if (!asJson) {
      checked.forEach(screen::note);
      wrong.forEach(line -> screen.note("WRONG: " + line));
    }
    return wrong.isEmpty() ? Exit.OK : Exit.FAILED;
  }

  /// Compares what the last movement left with what the pool says the account holds.
  private static void books(
      PoolClient client,
      Optional<Address> account,
      Statement statement,
      List<String> wrong,
      List<String> checked)
      throws PoolFailure {
    PoolClient.Account now = client.account(account);
    // Something may have moved since: then the statement is a little older, and not wrong.
    PoolClient.Moved since =
        client.moved(
            account,
            0,
            0,
            statement.lines().isEmpty() ? 0 : statement.lines().getLast().number() + 1);
    if (!since.movements().isEmpty()) {
      checked.add("money moved while this was read: the balance was not compared");
      return;
    }
    Movement.Holding after = statement.after();
    if (statement.lines().isEmpty()) {
      return;
    }
    if (after.free() == now.balance() && after.reserved() == now.reserved()) {
      checked.add("the sums agree with the pool's books");
    } else {
      wrong.add(
          "the last movement leaves "
              + after.free()
              + " free and "
              + after.reserved()
              + " reserved microcredits, but the account has "
              + now.balance()
              + " and "
              + now.reserved());
    }
  }

  private void print(Statement statement) {
    Table table = new Table("time (UTC)", "what", "with", ">credits", ">holds after", "for");
    for (Movement m : statement.lines()) {
      long change = Statement.change(statement.account(), m);
      Movement.Holding after = Statement.holding(statement.account(), m);
      table.row(
          TIME.format(Instant.EPOCH.plus(m.atUs(), ChronoUnit.MICROS)),
          Statement.word(m.kind()),
          with(statement.account(), m),
          plain(change == 0 ? m.amount() : change) + (change == 0 ? " =" : ""),
          plain(after.free() + after.reserved() + after.due()),
          why(m));
    }
    screen.say(table.lines());
    screen.say("");
    Table sums = new Table("sums", ">credits");
    for (Map.Entry<Movement.Kind, Long> e : statement.in().entrySet()) {
      sums.row(Statement.word(e.getKey()) + " (in)", plain(e.getValue()));
    }
    for (Map.Entry<Movement.Kind, Long> e : statement.out().entrySet()) {
      sums.row(Statement.word(e.getKey()), plain(e.getValue()));
    }
    sums.row("all together", plain(statement.change()));
    screen.say(sums.lines());
    screen.note("= means that nothing left or came into the account");
  }

  private static String plain(long microcredits) {
    return Amounts.credits(microcredits).replace(" credits", "");
  }

  private static String with(Address account, Movement m) {
    Address other = m.from().equals(account) ? m.to() : m.from();
    return other.equals(account) || other.equals(Address.ZERO)
        ? "-"
        : other.toString().substring(0, 10);
  }

  private static String why(Movement m) {
    return switch (m.ref()) {
      case Movement.Ref.OfJob(JobId job) -> "job " + job.toString().substring(0, 8);
      case Movement.Ref.OfRecord r ->
          r.task() + ", record " + r.index() + " in " + Statement.receipts(r.job());
      case Movement.Ref.OfTab _ -> "requests to models";
      case Movement.Ref.OfEpoch e ->
          "epoch " + e.epoch() + (e.txHash().equals(Hash.ZERO) ? "" : ", 0x" + e.txHash().hex());
      case Movement.Ref.OfBlock b -> "block " + b.block();
      case Movement.Ref.OfPayment p -> "payment 0x" + p.payment().hex();
      case Movement.Ref.OfMemo memo -> memo.memo();
    };
  }

  private void write(Statement statement, String csv) throws IOException {
    if (csv.equals("-")) {
      Writer out = new OutputStreamWriter(screen.out(), StandardCharsets.UTF_8);
      statement.csv(out);
      out.flush();
      return;
    }
    try (BufferedWriter out = Files.newBufferedWriter(Path.of(csv))) {
      statement.csv(out);
    }
    screen.note(statement.lines().size() + " movements in " + csv);
  }

  private void json(Statement statement, List<String> wrong, List<String> checked) {
    screen.json(json -> {
      json.writeStartObject();
      json.writeStringField("account", statement.account().toString());
      json.writeNumberField("movements", statement.lines().size());
      json.writeNumberField("change_microcredits", statement.change());
      json.writeNumberField("free_microcredits", statement.after().free());
      json.writeNumberField("reserved_microcredits", statement.after().reserved());
      json.writeNumberField("due_microcredits", statement.after().due());
      json.writeObjectFieldStart("in");
      for (Map.Entry<Movement.Kind, Long> e : statement.in().entrySet()) {
        json.writeNumberField(Statement.word(e.getKey()), e.getValue());
      }
      json.writeEndObject();
      json.writeObjectFieldStart("out");
      for (Map.Entry<Movement.Kind, Long> e : statement.out().entrySet()) {
        json.writeNumberField(Statement.word(e.getKey()), e.getValue());
      }
      json.writeEndObject();
      json.writeArrayFieldStart("checked");
      for (String line : checked) {
        json.writeString(line);
      }
      json.writeEndArray();
      json.writeArrayFieldStart("wrong");
      for (String line : wrong) {
        json.writeString(line);
      }
      json.writeEndArray();
      json.writeEndObject();
    });
  }

  private static long us(String text, String option) throws BadInput {
    try {
      Instant at =
          text.contains("T")
              ? Instant.parse(text)
              : LocalDate.parse(text).atStartOfDay(ZoneOffset.UTC).toInstant();
      return ChronoUnit.MICROS.between(Instant.EPOCH, at);
    } catch (DateTimeException e) {
      throw new BadInput(
          option + ": '" + text + "' is no date; write 2026-11-01 or 2026-11-01T08:00:00Z (UTC)");
    }
  }
}
