//! Latency curves as inline SVG: the percentile axis is stretched towards the tail, where the differences are.

use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::document::Curve;
use super::show::micros;

const SIZE: (u32, u32) = (860, 340);
/// Told apart in light and dark, and by most people who see fewer colours.
const COLOURS: [RGBColor; 4] =
    [RGBColor(59, 130, 246), RGBColor(234, 138, 12), RGBColor(16, 160, 110), RGBColor(190, 80, 190)];

/// An `<svg>` element, or nothing when there is nothing to draw. Text takes the page's colour.
pub fn latency(curves: &[Curve]) -> Option<String> {
    let times = || curves.iter().flat_map(|curve| &curve.points).map(|(_, time)| time.max(1.0));
    let most = times().fold(f64::NAN, f64::max);
    let least = times().fold(f64::NAN, f64::min);
    if most.is_nan() {
        return None;
    }
    let mut svg = String::new();
    draw(&mut svg, curves, least * 0.8, most * 1.25).ok()?;
    Some(svg.replace("#000000", "currentColor"))
}

fn draw(svg: &mut String, curves: &[Curve], least: f64, most: f64) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let last = curves.iter().flat_map(|c| &c.points).map(|(quantile, _)| stretched(*quantile)).fold(1.0, f64::max);
    let mut chart = ChartBuilder::on(&area)
        .margin(14)
        .x_label_area_size(34)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..last, (least..most).log_scale())?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .bold_line_style(BLACK.mix(0.12))
        .axis_style(BLACK.mix(0.35))
        .x_labels(6)
        .y_labels(6)
        .x_label_formatter(&|x| percentile(*x))
        .y_label_formatter(&|y| micros(*y))
        .label_style(("sans-serif", 13).into_font().color(&BLACK))
        .draw()?;
    for (curve, colour) in curves.iter().zip(COLOURS.iter().cycle()) {
        let points = curve.points.iter().map(|(quantile, time)| (stretched(*quantile), time.max(1.0)));
        chart.draw_series(LineSeries::new(points, colour.stroke_width(2)))?;
    }
    for (n, (curve, colour)) in curves.iter().zip(COLOURS.iter().cycle()).enumerate() {
        let y = 24 + n as i32 * 20;
        let style = ("sans-serif", 14).into_font().color(&BLACK).pos(Pos::new(HPos::Left, VPos::Center));
        area.draw(&PathElement::new([(94, y), (118, y)], colour.stroke_width(3)))?;
        area.draw(&Text::new(curve.label.clone(), (126, y), style))?;
    }
    area.present()?;
    Ok(())
}

/// 0, 0.9, 0.99, 0.999 … -> 0, 1, 2, 3 …
fn stretched(quantile: f64) -> f64 {
    -(1.0 - quantile.clamp(0.0, 0.999_999)).log10()
}

/// The other way, as a label.
fn percentile(stretched: f64) -> String {
    let decimals = (stretched.ceil() as usize).saturating_sub(2);
    format!("{:.decimals$} %", 100.0 * (1.0 - 10f64.powf(-stretched)))
}
