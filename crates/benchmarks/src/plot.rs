//! The publishing table as a picture.

use std::path::Path;

use anyhow::anyhow;
use plotters::prelude::*;

/// One case, and how many messages a second each client sent, in the order of the names.
pub(crate) struct Bars {
    pub(crate) case: String,
    pub(crate) speeds: Vec<f64>,
}

const WIDTH: u32 = 900;
const ROW: u32 = 60;
const COLOURS: [RGBColor; 3] = [RGBColor(31, 119, 180), RGBColor(255, 127, 14), RGBColor(127, 127, 127)];

/// Writes an SVG with a group of bars for each case, on a logarithmic scale.
pub(crate) fn speeds(file: &Path, clients: &[&str], cases: &[Bars]) -> anyhow::Result<()> {
    draw(file, clients, cases).map_err(|error| anyhow!("cannot draw {}: {error}", file.display()))
}

fn draw(file: &Path, clients: &[&str], cases: &[Bars]) -> Result<(), Box<dyn std::error::Error>> {
    let rows = u32::try_from(cases.len())?;
    let area = SVGBackend::new(file, (WIDTH, ROW * rows + 90)).into_drawing_area();
    area.fill(&WHITE)?;
    let fastest = cases.iter().flat_map(|bars| &bars.speeds).copied().fold(10.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .caption("messages a second (logarithmic)", ("sans-serif", 16))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(260)
        .build_cartesian_2d((10.0..fastest * 2.0).log_scale(), 0.0..f64::from(rows))?;
    chart
        .configure_mesh()
        .disable_mesh()
        .y_labels(0)
        .x_label_formatter(&|speed| format!("{speed:.0}"))
        .draw()?;
    let height = 0.8 / clients.len() as f64;
    for (client, name) in clients.iter().enumerate() {
        let colour = COLOURS.get(client).copied().unwrap_or(BLACK);
        let bars = cases.iter().enumerate().filter_map(|(row, bars)| {
            let top = f64::from(rows) - row as f64 - 0.1 - client as f64 * height;
            let speed = bars.speeds.get(client)?;
            Some(Rectangle::new([(10.0, top), (speed.max(10.0), top - height)], colour.filled()))
        });
        chart
            .draw_series(bars)?
            .label(*name)
            .legend(move |(x, y)| Rectangle::new([(x, y - 5), (x + 12, y + 5)], colour.filled()));
    }
    for (row, bars) in cases.iter().enumerate() {
        let (_, y) = chart.backend_coord(&(10.0, f64::from(rows) - row as f64 - 0.5));
        area.draw(&Text::new(bars.case.as_str(), (12, y - 6), ("sans-serif", 13)))?;
    }
    chart.configure_series_labels().position(SeriesLabelPosition::LowerRight).border_style(BLACK).draw()?;
    area.present()?;
    Ok(())
}
