/** Names and values in two columns; what has no value is left out. */

export type FactList = [name: string, value: string][];

export function Facts({ facts }: { facts: FactList }) {
  return (
    <dl>
      {facts
        .filter(([, value]) => value !== "")
        .map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd>{value}</dd>
          </div>
        ))}
    </dl>
  );
}
