import callprint.FrameSerializer;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import org.apache.storm.multilang.BoltMsg;
import org.apache.storm.multilang.NoOutputException;
import org.apache.storm.multilang.ShellMsg;

/**
 * Reads what components might send, each a length and its bytes, and answers each with a letter, a length and bytes:
 * M and the message as a tuple for a bolt, R if it was refused, B if anything else happened.
 */
public class TryFrames {
    public static void main(String[] arguments) throws IOException {
        DataInputStream in = new DataInputStream(System.in);
        DataOutputStream out = new DataOutputStream(System.out);
        for (int left = in.readInt(); left > 0; left--) {
            byte[] sent = in.readNBytes(in.readInt());
            ByteArrayOutputStream answer = new ByteArrayOutputStream();
            char outcome = 'M';
            FrameSerializer serializer = new FrameSerializer();
            serializer.initialize(answer, new ByteArrayInputStream(sent));
            try {
                ShellMsg message = serializer.readShellMsg();
                BoltMsg tuple = new BoltMsg();
                tuple.setId((String) message.getId());
                tuple.setComp(message.getCommand());
                tuple.setStream(message.getStream());
                tuple.setTask(message.getTask());
                tuple.setTuple(message.getTuple() == null ? java.util.List.of() : message.getTuple());
                serializer.writeBoltMsg(tuple);
            } catch (IOException | NoOutputException refused) {
                outcome = 'R';
            } catch (Throwable broken) {
                outcome = 'B';
            }
            out.writeByte(outcome);
            out.writeInt(answer.size());
            answer.writeTo(out);
        }
        out.flush();
    }
}
