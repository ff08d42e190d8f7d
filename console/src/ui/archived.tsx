/** Whether a list has what was archived. */
export function WithArchived({ value, onChange }: { value: boolean; onChange: (value: boolean) => void }) {
  return (
    <label className="flex items-center gap-2 text-muted">
      <input type="checkbox" checked={value} onChange={(event) => onChange(event.target.checked)} />
      Archived too
    </label>
  );
}
