package dev.perseid.cli;

import com.fasterxml.jackson.core.JsonFactory;
import com.fasterxml.jackson.core.JsonParser;
import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.core.JsonToken;
import dev.perseid.core.Address;
import dev.perseid.node.Receipt;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.ParentCommand;

/// `perseid verify`.
@Command(
    name = "verify",
    description = {
      "Check receipts offline: the provider's signature, the pool's, and the proof that the record"
          + " stands in the pool's log. Asks nobody; exit code 1 when one is wrong."
    })
final class VerifyCommand implements Callable<Integer> {
  private static final long FILE_BYTES = 1L << 30;

  @ParentCommand private Main main = Unset.main();
  @Mixin private Shared shared = new Shared();

  @Parameters(
      paramLabel = "RECEIPT",
      arity = "1..*",
      description = "Files with one or more receipts each.")
  private List<Path> files = new ArrayList<>();

  @Option(
      names = "--of",
      paramLabel = "0xADDRESS",
      description = "The pool that must have signed; default: any.")
  private @Nullable String pool;

  private record Wrong(Path file, int number, String reason) {}

  @Override
  public Integer call() throws BadInput {
    Optional<Address> expected = Optional.empty();
    if (pool != null) {
      try {
        expected = Optional.of(Address.parse(pool));
      } catch (IllegalArgumentException e) {
        throw new BadInput("--of: " + e.getMessage());
      }
    }
    int verified = 0;
    List<Wrong> wrong = new ArrayList<>();
    for (Path file : files) {
      int number = 0;
      for (String receipt : receipts(file)) {
        number++;
        switch (Receipt.verify(receipt, expected)) {
          case Receipt.Check.Verified good -> verified++;
          case Receipt.Check.Wrong bad -> wrong.add(new Wrong(file, number, bad.reason()));
        }
      }
    }
    report(verified, wrong);
    return wrong.isEmpty() ? Exit.OK : Exit.FAILED;
  }

  private void report(int verified, List<Wrong> wrong) {
    Screen screen = main.screen();
    if (shared.json) {
      screen.json(json -> {
        json.writeStartObject();
        json.writeNumberField("verified", verified);
        json.writeArrayFieldStart("wrong");
        for (Wrong one : wrong) {
          json.writeStartObject();
          json.writeStringField("file", one.file.toString());
          json.writeNumberField("number", one.number);
          json.writeStringField("reason", one.reason);
          json.writeEndObject();
        }
        json.writeEndArray();
        json.writeEndObject();
      });
      return;
    }
    for (Wrong one : wrong) {
      screen.say(one.file + ": receipt " + one.number + " is WRONG: " + one.reason);
    }
    screen.say(
        verified
            + (verified == 1 ? " receipt" : " receipts")
            + " verified"
            + (wrong.isEmpty() ? "" : ", " + wrong.size() + " wrong"));
  }

  /// The JSON documents of a file, one after the other, on lines of their own or not.
  static List<String> receipts(Path file) throws BadInput {
    String text;
    try {
      if (Files.size(file) > FILE_BYTES) {
        throw new BadInput(file + " is larger than " + FILE_BYTES + " bytes; split it");
      }
      text = Files.readString(file);
    } catch (IOException e) {
      throw new BadInput(file + " cannot be read: " + e.getMessage() + "; name a receipt file");
    }
    List<String> receipts = new ArrayList<>();
    try (JsonParser parser = new JsonFactory().createParser(text)) {
      while (parser.nextToken() != null) {
        if (parser.currentToken() != JsonToken.START_OBJECT) {
          throw new BadInput(
              new Place(
                      file.toString(),
                      parser.currentTokenLocation().getLineNr(),
                      parser.currentTokenLocation().getColumnNr())
                  + ": this is no receipt; a receipt is a JSON object, as `perseid receipts` writes"
                  + " it");
        }
        int start = (int) parser.currentTokenLocation().getCharOffset();
        parser.skipChildren();
        int end = (int) parser.currentLocation().getCharOffset();
        receipts.add(text.substring(start, end));
      }
    } catch (JsonProcessingException e) {
      throw new BadInput(
          file
              + ":"
              + e.getLocation().getLineNr()
              + ":"
              + e.getLocation().getColumnNr()
              + ": this is not JSON; name a file that `perseid receipts` wrote");
    } catch (IOException e) {
      throw new BadInput(file + " cannot be read: " + e.getMessage());
    }
    if (receipts.isEmpty()) {
      throw new BadInput(file + " holds no receipts; name a file that `perseid receipts` wrote");
    }
    return receipts;
  }
}
