package dev.perseid.settle;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.DataPolicy;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Inference;
import dev.perseid.core.JobId;
import dev.perseid.core.Model;
import dev.perseid.core.ModelOffer;
import dev.perseid.core.ModelTask;
import dev.perseid.core.Outcome;
import dev.perseid.core.TokenPrice;
import dev.perseid.core.Usage;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

/// What Java and the contracts must agree on: `contracts/vectors/typed-data.json`. This test holds
/// that Java still makes these bytes, digests and signatures; the contracts' own tests read the
/// same file and hold that the contracts accept them.
class ContractVectorsTest {
  private static final Path FILE = Path.of("../contracts/vectors/typed-data.json");
  private static final ObjectMapper JSON = new ObjectMapper();
  private static final long MADE_US = 1_790_000_000_000_000L;
  private static final Key POOL = key(1);
  private static final Key PROVIDER = key(2);
  private static final Key AUTHOR = key(3);

  private static final Model MODEL =
      new Model(
          AUTHOR.address(),
          "lab/model",
          "1.0",
          Hash.sha256(new byte[] {1}),
          ModelTask.CHAT,
          "gguf",
          "q8_0",
          135_000_000,
          8_192,
          "Apache-2.0",
          50,
          MADE_US);

  private static final ModelOffer OFFER =
      new ModelOffer(
          PROVIDER.address(),
          MODEL.manifest(),
          "eu",
          "q8_0",
          "perseid 1",
          new TokenPrice(150_000, 15_000, 600_000, 7, 2_000_000),
          50,
          30,
          4,
          4_096,
          DataPolicy.KEEPS_NOTHING,
          Optional.of(Hash.sha256(new byte[] {2})),
          "https://provider.example/v1",
          MADE_US + 1);

  @Test
  void javaMakesWhatTheContractsRead() throws IOException {
    ObjectNode all = JSON.createObjectNode();
    ObjectNode model = all.putObject("model");
    model.put("author", MODEL.author().toString()).put("name", MODEL.name());
    model.put("version", MODEL.version()).put("manifest", hex(MODEL.manifest()));
    model.put("task", "chat").put("format", MODEL.format());
    model.put("quantisation", MODEL.quantisation()).put("parameters", MODEL.parameters());
    model.put("contextTokens", MODEL.contextTokens()).put("licence", MODEL.licence());
    model.put("royaltyPermille", MODEL.royaltyPermille()).put("madeUs", MODEL.madeUs());
    model.put("digest", hex(Digests.model(MODEL)));
    model.put("signature", signed(AUTHOR, Digests.model(MODEL)));

    ObjectNode offer = all.putObject("offer");
    offer.put("provider", OFFER.provider().toString()).put("model", hex(OFFER.model()));
    offer.put("region", OFFER.region()).put("quantisation", OFFER.quantisation());
    offer.put("backend", OFFER.backend());
    offer.put("perMillionPrompt", OFFER.price().perMillionPrompt());
    offer.put("perMillionCached", OFFER.price().perMillionCached());
    offer.put("perMillionCompletion", OFFER.price().perMillionCompletion());
    offer.put("perMillionRows", OFFER.price().perMillionRows());
    offer.put("perMillionRequests", OFFER.price().perMillionRequests());
    offer.put("royaltyPermille", OFFER.royaltyPermille());
    offer.put("poolPermille", OFFER.poolPermille()).put("parallel", OFFER.parallel());
    offer.put("contextTokens", OFFER.contextTokens()).put("policy", "keeps-nothing");
    offer.put("sealKey", hex(OFFER.sealKey().orElseThrow())).put("endpoint", OFFER.endpoint());
    offer.put("madeUs", OFFER.madeUs()).put("present", 1);
    offer.put("digest", hex(Digests.modelOffer(OFFER)));

    // A log of two entries: a right bill, and one in which the pool keeps a microcredit too many.
    byte[] right = EntryCodec.encode(entry(0, 30));
    byte[] wrong = EntryCodec.encode(entry(1, 31));
    Hash first = leaf(right);
    Hash second = leaf(wrong);
    Hash root = Hash.sha256(joined(new byte[] {1}, first.bytes(), second.bytes()));
    ObjectNode log = all.putObject("log");
    log.put("pool", POOL.address().toString()).put("root", hex(root)).put("size", 2);
    log.put("timeUs", MADE_US + 2);
    Hash head = Digests.treeHead(POOL.address(), root, 2, MADE_US + 2);
    log.put("digest", hex(head)).put("signature", signed(POOL, head));
    ArrayNode entries = log.putArray("entries");
    entries.add("0x" + HexFormat.of().formatHex(right));
    entries.add("0x" + HexFormat.of().formatHex(wrong));
    ArrayNode leaves = log.putArray("leaves");
    leaves.add(hex(first)).add(hex(second));

    String now = JSON.writerWithDefaultPrettyPrinter().writeValueAsString(all) + "\n";
    assertThat(now).isEqualTo(Files.readString(FILE));
  }

  /// 1,000 tokens of a prompt of which 200 were known, 500 of an answer: 120 + 3 + 300 + 2, so the
  /// price is 425, of which 50 thousandths are 21 and 30 thousandths 12.
  private static Entry entry(long index, int poolPermille) {
    long charge = 425;
    ExecutionRecord record =
        new ExecutionRecord(
                POOL.address(),
                new JobId(5, 6),
                0,
                "request-1",
                "lab/model:1.0",
                1,
                300 + index,
                Address.parse("0x00000000000000000000000000000000000000cc"),
                PROVIDER.address(),
                Digests.modelOffer(OFFER),
                MODEL.manifest(),
                Hash.sha256(new byte[] {4}),
                List.of(),
                List.of(),
                0,
                0,
                0,
                MADE_US,
                MADE_US,
                MADE_US + 1_000,
                OptionalLong.of(MADE_US + 1_500),
                OptionalLong.of(MADE_US + 900_000),
                Outcome.DONE,
                "",
                Usage.UNMEASURED,
                List.of(new Blob(Hash.sha256(new byte[] {5}), 2_000)),
                "perseid 1",
                "",
                0)
            .with(
                charge,
                new Inference(
                    "chat",
                    "q8_0",
                    1_000,
                    200,
                    500,
                    0,
                    OptionalLong.of(MADE_US + 30_000),
                    AUTHOR.address(),
                    charge * OFFER.royaltyPermille() / 1_000,
                    charge * poolPermille / 1_000));
    return new Entry(index, MADE_US + 950_000, record, new Entry.Attestation.Signed(1, 0));
  }

  private static Hash leaf(byte[] entry) {
    return Hash.sha256(joined(new byte[] {0}, entry));
  }

  private static byte[] joined(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
  }

  private static Key key(int number) {
    byte[] secret = new byte[32];
    secret[31] = (byte) number;
    return Key.of(secret);
  }

  private static String hex(Hash hash) {
    return "0x" + hash.hex();
  }

  private static String signed(Key key, Hash digest) {
    String signature = key.sign(digest);
    return signature.startsWith("0x") ? signature : "0x" + signature;
  }
}
